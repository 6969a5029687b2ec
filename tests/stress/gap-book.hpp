// SPDX-License-Identifier: LGPL-2.1-or-later
/// How long one reader had to wait for frames: as a rule, and beyond the time for which its camera
/// was away. Pure C++.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace cudacam::soak {

using Clock = std::chrono::steady_clock;

inline double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// Intervals in bins, ten a decade from 1 ms on; the last bin has everything above.
struct IntervalHistogram {
  static constexpr int kBinsPerDecade = 10;
  static constexpr int kBins = 4 * kBinsPerDecade + 1;
  std::array<std::uint64_t, kBins> counts{};

  void add(double seconds);
  static double lower_bound(int bin);  ///< in seconds
};

IntervalHistogram operator+(IntervalHistogram a, const IntervalHistogram &b);

/// Any thread.
class GapBook {
 public:
  /// The reader got a good frame of this connection; see GstCudaCamFrameMeta.
  void frame(Clock::time_point now, std::uint64_t connection);
  /// The reader's camera fails now, and is back. It may be both at once. Outages of a camera do not
  /// overlap, but one may begin before the reader got over the last: then they count as one.
  void outage_begins(Clock::time_point now);
  void outage_ends(Clock::time_point now);

  struct Report {
    IntervalHistogram intervals;  ///< between frames, those of outages left out
    double longest = 0;           ///< of these, in seconds
    /// For each outage that the reader got over: its longest wait less the outage, in seconds.
    std::vector<double> beyond;
    bool recovered = true;  ///< from the last outage
  };
  Report report() const;

 private:
  void judge_outage(Clock::time_point now, std::uint64_t connection);

  struct Outage {
    Clock::time_point begin;
    std::optional<Clock::time_point> end;
    std::uint64_t connection;  // before it
    double longest = 0;        // wait that overlaps it
  };

  mutable std::mutex lock_;  // guards all below; a leaf
  Report report_;
  std::optional<Clock::time_point> newest_;
  std::uint64_t connection_ = 0;
  std::optional<Outage> outage_;
};

}  // namespace cudacam::soak
