// SPDX-License-Identifier: LGPL-2.1-or-later
/// Pictures that a decoder got and made no frame of. Pure C++.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>

namespace cudacam {

/// Follows the pictures of one connection at a time by their time of display. Frames leave a
/// decoder in that order, so one that is passed over will not come any more. Not thread-safe.
class PictureCount {
 public:
  using Time = std::chrono::nanoseconds;

  /// More than any decoder holds: of more that are inside, the earliest will not come any more.
  static constexpr std::size_t kMostInside = 64;
  /// How far a decoder may change a time.
  static constexpr Time kPrecision = std::chrono::milliseconds(1);

  void fed(Time time);
  void made(Time time);
  /// The connection is over and the decoder drained: what has not come out is dropped.
  void end();

  /// The decoder was fed since the last end() and has made nothing.
  bool is_fruitless() const { return fed_any_ && !made_any_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  std::multiset<Time> inside_;
  bool fed_any_ = false;
  bool made_any_ = false;
  std::uint64_t dropped_ = 0;
};

}  // namespace cudacam
