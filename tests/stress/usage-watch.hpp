// SPDX-License-Identifier: LGPL-2.1-or-later
/// Whether a process goes on using what it used at the beginning. Pure C++.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "machine.hpp"

namespace cudacam::soak {

class UsageWatch {
 public:
  void add(double seconds, const test::Usage &usage) { samples_.push_back({seconds, usage}); }

  struct Span {
    double begin;  ///< seconds
    std::uint64_t first, last, least, most;
  };
  /// VRAM for each minute; without a GPU none.
  std::vector<Span> vram_by_minute() const;

  struct Growth {
    std::string what;  ///< "VRAM", "resident memory", "threads", "file descriptors"
    std::uint64_t before, after;
    std::uint64_t allowed;  ///< growth
    bool grew() const { return after > before + allowed; }
  };
  /// The least that was in use in the second quarter of the time and in the last: outages come and
  /// go, a leak stays. Empty when there are fewer than 8 samples.
  std::vector<Growth> growth() const;

 private:
  struct Sample {
    double seconds;
    test::Usage usage;
  };
  std::vector<Sample> samples_;
};

}  // namespace cudacam::soak
