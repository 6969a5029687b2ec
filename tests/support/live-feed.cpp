// SPDX-License-Identifier: LGPL-2.1-or-later
#include "live-feed.hpp"

#include <algorithm>

namespace cudacam::test {

void LiveFeed::begin(int64_t unix_ms) {
  std::lock_guard guard(lock_);
  next_ = std::max(next_, unix_ms * fps_ / 1000);
}

std::optional<uint32_t> LiveFeed::next(bool late) {
  std::lock_guard guard(lock_);
  const auto number = static_cast<uint32_t>(next_++);
  if (late || frozen_) return std::nullopt;
  ++frames_sent_;
  highest_ = number;
  return number;
}

void LiveFeed::set_frozen(bool frozen) {
  std::lock_guard guard(lock_);
  frozen_ = frozen;
}

bool LiveFeed::frozen() const {
  std::lock_guard guard(lock_);
  return frozen_;
}

uint64_t LiveFeed::frames_sent() const {
  std::lock_guard guard(lock_);
  return frames_sent_;
}

std::optional<uint32_t> LiveFeed::highest() const {
  std::lock_guard guard(lock_);
  return highest_;
}

}  // namespace cudacam::test
