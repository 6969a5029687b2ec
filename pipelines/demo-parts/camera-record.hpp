// SPDX-License-Identifier: LGPL-2.1-or-later
/// What happened to one camera's frames, as its readers saw it.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace cudacam::demo {

using Clock = std::chrono::steady_clock;

inline double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

struct RecordSummary {
  unsigned outages = 0;            ///< begun by the script
  std::vector<double> recoveries;  ///< seconds from camera-back to the first new frame, one each
  double longest_gap = 0;          ///< seconds between two new frames
  std::uint64_t verified = 0;      ///< frames that readers found right
  std::uint64_t bad = 0;
  std::vector<std::string> explanations;  ///< of the first bad frames

  bool recovered() const { return recoveries.size() == outages; }
};

/// Readers and the script write, the display reads: any thread.
class CameraRecord {
 public:
  void outage_begins();
  void camera_is_back(Clock::time_point now);
  void good_frame(Clock::time_point now);
  void bad_frame(const std::string &explanation);

  RecordSummary summary() const;
  /// When a reader last got a new frame.
  std::optional<Clock::time_point> newest() const;

 private:
  mutable std::mutex lock_;  // guards all below; a leaf
  RecordSummary summary_;
  std::optional<Clock::time_point> newest_;
  std::optional<Clock::time_point> back_;  // set while the first frame after an outage is awaited
};

}  // namespace cudacam::demo
