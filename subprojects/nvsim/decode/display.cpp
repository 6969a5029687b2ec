// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/display.hpp"

namespace nvsim::decode {

void Display::push(const PicturePtr &picture) {
  if (picture->skipped) return;
  timestamps_.picture_leaves(picture);
  queue_.push_back(picture);
  while (queue_.size() > delay_) show_one();
}

void Display::decoded(std::uint64_t number) {
  if (!queue_.empty() && number - queue_.front()->decoded_as >= kSettledAfter) show_one();
}

bool Display::show_one() {
  if (queue_.empty()) return false;
  // The callback may end up here again; by then the picture is out of the queue.
  const PicturePtr picture = queue_.front();
  queue_.pop_front();
  surfaces_.shown(picture->surface);
  show_(*picture);
  return true;
}

void Display::show_all() {
  while (show_one()) {
  }
}

}  // namespace nvsim::decode
