// SPDX-License-Identifier: LGPL-2.1-or-later
/// How much a camera sends. Pure C++.
#pragma once

#include <chrono>
#include <cstdint>

namespace cudacam {

/// Averages over one window at a time. Not thread-safe.
class Bitrate {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kWindow{1};

  void add(std::size_t bytes, Time now);
  /// Of the latest full window; 0 before the first and when nothing has come for two windows.
  std::uint64_t bits_per_second(Time now) const;

 private:
  Time start_{};
  Time latest_{};
  std::uint64_t bytes_ = 0;  ///< since start_
  std::uint64_t rate_ = 0;
};

}  // namespace cudacam
