// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/picture.hpp"

namespace nvsim::decode {

void Surfaces::resize(unsigned count) {
  slots_.resize(count);
}

PicturePtr Surfaces::acquire() {
  Slot *oldest = nullptr;
  for (Slot &slot : slots_) {
    if (!slot.picture.expired()) continue;
    if (oldest == nullptr || slot.last_shown < oldest->last_shown) oldest = &slot;
  }
  if (oldest == nullptr) return nullptr;
  auto picture = std::make_shared<Picture>();
  picture->surface = static_cast<int>(oldest - slots_.data());
  oldest->picture = picture;
  return picture;
}

void Surfaces::shown(int surface) {
  if (surface >= 0 && static_cast<unsigned>(surface) < slots_.size())
    slots_[static_cast<unsigned>(surface)].last_shown = ++shown_count_;
}

}  // namespace nvsim::decode
