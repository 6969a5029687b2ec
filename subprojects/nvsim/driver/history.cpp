// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/history.hpp"

#include <algorithm>

namespace nvsim {
namespace {

// A single row has no pitch of its own: it takes the other's.
std::size_t common_pitch(const Rect &a, const Rect &b) {
  if (a.height <= 1) return b.height <= 1 ? 0 : b.pitch;
  if (b.height <= 1) return a.pitch;
  return a.pitch == b.pitch ? a.pitch : 0;
}

}  // namespace

bool overlap(const Rect &a, const Rect &b) {
  if (a.empty() || b.empty() || a.start >= b.end() || b.start >= a.end()) return false;
  const std::size_t pitch = common_pitch(a, b);
  if (pitch == 0) return true;
  // Columns relative to the first byte of the upper rectangle. Rows that wrap past the pitch
  // cannot be told apart this way.
  const std::uint64_t origin = std::min(a.start, b.start);
  const std::uint64_t column_a = (a.start - origin) % pitch;
  const std::uint64_t column_b = (b.start - origin) % pitch;
  if (column_a + a.width > pitch || column_b + b.width > pitch) return true;
  return column_a < column_b + b.width && column_b < column_a + a.width;
}

bool covers(const Rect &outer, const Rect &inner) {
  if (inner.empty()) return true;
  if (outer.empty() || inner.start < outer.start || inner.end() > outer.end()) return false;
  if (outer.height <= 1 || outer.width >= outer.pitch) return true;  // no gaps between rows
  if (inner.height > 1 && inner.pitch != outer.pitch) return false;
  const std::uint64_t column = (inner.start - outer.start) % outer.pitch;
  return column + inner.width <= outer.width;
}

History::~History() {
  for (const AccessRecord &record : records_) parties_.forget(record.party);
}

void History::add(AccessRecord access, const Clock &known, const OnRace &on_race) {
  if (access.rect.empty()) return;
  auto superseded = [&](const AccessRecord &earlier) {
    const bool ordered = known.knows(earlier.party, earlier.tick);
    if (!ordered) {
      if ((earlier.write || access.write) && overlap(earlier.rect, access.rect)) on_race(earlier);
      return false;
    }
    // Whoever races with the earlier access also races with this one, so it need not be kept.
    return covers(access.rect, earlier.rect) && (access.write || !earlier.write);
  };
  auto kept = std::remove_if(records_.begin(), records_.end(), [&](const AccessRecord &earlier) {
    const bool drop = superseded(earlier);
    if (drop) parties_.forget(earlier.party);
    return drop;
  });
  records_.erase(kept, records_.end());
  parties_.remember(access.party);
  records_.push_back(std::move(access));
}

}  // namespace nvsim
