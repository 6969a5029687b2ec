// SPDX-License-Identifier: LGPL-2.1-or-later
/// One running time over all connections. Pure C++.
#pragma once

#include <chrono>
#include <optional>

namespace cudacam {

/// Maps the timestamps of successive connections to the running time of the one segment that
/// downstream sees.
///
/// rtspsrc stamps packets with the running time of their arrival, so normally nothing is to be
/// done. A camera whose clock jumps, or a server whose stamps start anywhere, would put frames into
/// the future (sinks would wait) or into the past (sinks would drop them): such stamps are moved so
/// that the frame is due when it arrives. Not thread-safe.
class Timeline {
 public:
  using Duration = std::chrono::nanoseconds;

  /// How far stamps may be off the clock.
  static constexpr Duration kPrecision = std::chrono::milliseconds(100);
  /// A stamp this far before its predecessor is a jump of the camera's clock; less is reordering.
  static constexpr Duration kReordering = std::chrono::seconds(2);

  /// A connection begins: its first stamp decides its offset. `latency`: of the jitter buffer, by
  /// which frames are regularly behind.
  void begin(Duration latency) {
    previous_.reset();
    latency_ = latency;
  }

  /// For a packet on its way into the decoder, in decoding order. `stamp`: in the connection's
  /// running time; none: it is due now. `now`: the pipeline's running time. Returns the running
  /// time for downstream, never negative.
  Duration input(std::optional<Duration> stamp, Duration now);

  /// For a frame on its way out of the decoder, in display order. Returns `time`, or one nanosecond
  /// past the previous frame's if that is later: running time never stands still or goes back.
  Duration output(Duration time);

  /// Running time of the latest frame that left; none before the first.
  std::optional<Duration> latest() const { return latest_; }

 private:
  Duration latency_{};
  Duration offset_{};
  std::optional<Duration> previous_;  ///< stamp of the connection's latest packet
  std::optional<Duration> latest_;
};

}  // namespace cudacam
