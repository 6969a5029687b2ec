// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/picture-count.hpp"

namespace cudacam {

void PictureCount::fed(Time time) {
  fed_any_ = true;
  inside_.insert(time);
  if (inside_.size() <= kMostInside) return;
  inside_.erase(inside_.begin());
  dropped_++;
}

void PictureCount::made(Time time) {
  made_any_ = true;
  const auto later = inside_.upper_bound(time + kPrecision);
  const auto passed = static_cast<std::uint64_t>(std::distance(inside_.begin(), later));
  if (passed > 0) dropped_ += passed - 1;  // one of them is the frame itself
  inside_.erase(inside_.begin(), later);
}

void PictureCount::end() {
  dropped_ += inside_.size();
  inside_.clear();
  fed_any_ = made_any_ = false;
}

}  // namespace cudacam
