// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The zigzag scan that scaling lists are coded in.
#pragma once

#include <array>
#include <cstdint>

namespace nvsim::decode {

// Where in raster order the n-th value of the scan stands.
template <unsigned kSize>
std::array<unsigned, kSize * kSize> zigzag() {
  std::array<unsigned, kSize * kSize> scan{};
  unsigned x = 0, y = 0;
  for (unsigned &place : scan) {
    place = y * kSize + x;
    const bool up = (x + y) % 2 == 0;
    if (up && x == kSize - 1) {
      y++;
    } else if (!up && y == kSize - 1) {
      x++;
    } else if (up) {
      x++;
      if (y > 0) y--;
    } else {
      y++;
      if (x > 0) x--;
    }
  }
  return scan;
}

template <unsigned kSize, typename Scanned, typename Raster>
void to_raster(const Scanned &scanned, Raster &raster) {
  const auto scan = zigzag<kSize>();
  for (unsigned i = 0; i < kSize * kSize; i++) raster[scan[i]] = scanned[i];
}

template <unsigned kSize, typename Raster, typename Scanned>
void from_raster(const Raster &raster, Scanned &scanned) {
  const auto scan = zigzag<kSize>();
  for (unsigned i = 0; i < kSize * kSize; i++) scanned[i] = raster[scan[i]];
}

}  // namespace nvsim::decode
