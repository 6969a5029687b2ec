// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who touched a piece of memory, and which two of them no wait orders. Pure C++.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "driver/clock.hpp"

namespace nvsim {

// `height` rows of `width` bytes, `pitch` apart, the first at `start`.
struct Rect {
  std::uint64_t start = 0;
  std::size_t pitch = 0;
  std::size_t width = 0;
  std::size_t height = 0;

  bool empty() const { return width == 0 || height == 0; }
  std::uint64_t end() const { return empty() ? start : start + (height - 1) * pitch + width; }
};

// Exact when both have the same pitch, or one of them a single row; else by address range, which
// may call two interleaved rectangles overlapping.
bool overlap(const Rect &a, const Rect &b);
// True only when `outer` certainly contains all of `inner`.
bool covers(const Rect &outer, const Rect &inner);

// One access by the thing that `party` does at `tick`.
struct AccessRecord {
  Party party = 0;
  Tick tick = 0;
  Rect rect;
  bool write = false;
  std::string what;
};

class History {
 public:
  explicit History(Parties &parties) : parties_(parties) {}
  ~History();
  History(const History &) = delete;
  History &operator=(const History &) = delete;

  using OnRace = std::function<void(const AccessRecord &earlier)>;

  // Adds an access made by someone who knows `known`; `on_race` is called for each earlier access
  // that overlaps, is not known to be done, and of which either writes.
  void add(AccessRecord access, const Clock &known, const OnRace &on_race);

  std::size_t size() const { return records_.size(); }

 private:
  Parties &parties_;
  std::vector<AccessRecord> records_;
};

}  // namespace nvsim
