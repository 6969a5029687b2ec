// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/bitrate.hpp"

namespace cudacam {

void Bitrate::add(std::size_t bytes, Time now) {
  if (start_ == Time{} || now - latest_ >= 2 * kWindow) {
    start_ = now;
    bytes_ = rate_ = 0;
  }
  const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(now - start_).count();
  if (now - start_ >= kWindow) {
    rate_ = bytes_ * 8 * 1000000 / static_cast<std::uint64_t>(elapsed);
    start_ = now;
    bytes_ = 0;
  }
  bytes_ += bytes;
  latest_ = now;
}

std::uint64_t Bitrate::bits_per_second(Time now) const {
  return now - latest_ < 2 * kWindow ? rate_ : 0;
}

}  // namespace cudacam
