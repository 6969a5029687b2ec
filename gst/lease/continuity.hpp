// SPDX-License-Identifier: LGPL-2.1-or-later
/// Running time over streams that follow each other, of sources that start from zero again.
///
/// A live source stamps by the clock: its next stream is ahead of the last one and stays as it is.
/// A file that is read again starts from zero: it is moved to where the last stream ended, or to
/// now when that is later, so that a sink that synchronises does not rush to catch up.
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

namespace cudacam {

class Continuity {
 public:
  using Time = std::chrono::nanoseconds;

  /// The next frame is the first of another stream.
  void begin() { fresh_ = true; }

  /// How far to move the stream of which this frame is the first; zero for every other frame.
  /// `start` is its running time as the stream has it, `now` that of the clock (zero without one).
  Time shift(Time start, Time now) {
    if (!std::exchange(fresh_, false) || start >= end_) return Time::zero();
    return std::max(end_, now) - start;
  }

  /// A frame ends at this running time, as moved.
  void passed(Time end) { end_ = std::max(end_, end); }

 private:
  Time end_ = Time::zero();
  bool fresh_ = false;
};

}  // namespace cudacam
