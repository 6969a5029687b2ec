// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the host and the kernels of copy_frames.cu agree on.
///
/// A launch copies a table of planes, handed over by value: a frame has one to four, so the large
/// table holds 16 frames of any format and 32 of NV12. Each plane is cut into tiles of 32 by 32
/// accesses, one for each block; a block finds its plane by the running sum of tiles.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#define CUDACAM_HOST_AND_DEVICE __host__ __device__
#else
#define CUDACAM_HOST_AND_DEVICE
#endif

namespace cudacam {

struct PlaneCopy {
  const unsigned char *source;  // device pointers, of any alignment
  unsigned char *target;
  unsigned source_pitch;  // bytes from row to row; at least `width` where there are several
  unsigned target_pitch;
  unsigned width;  // bytes of a row that are copied; those between the rows stay as they are
  unsigned rows;
};

/// Of one tile, in accesses. A block is kTileColumns threads wide.
constexpr unsigned kTileColumns = 32;
constexpr unsigned kTileRows = 32;
constexpr unsigned kBlockRows = 8;

/// The small table is for a single frame: a launch costs less with fewer bytes of parameters.
constexpr unsigned kSmallTable = 4;
constexpr unsigned kLargeTable = 64;

template <unsigned Capacity>
struct PlaneTable {
  unsigned count;
  unsigned tiles_up_to[Capacity];  // of this plane and all before it
  PlaneCopy planes[Capacity];
};
// What a launch's parameters may have on every driver.
static_assert(sizeof(PlaneTable<kLargeTable>) <= 4096);

/// Bytes that one access may have, so that no row of either side is read or written off its
/// alignment.
CUDACAM_HOST_AND_DEVICE inline unsigned access_size(const PlaneCopy &plane) {
  const auto bits = reinterpret_cast<std::uintptr_t>(plane.source) |
                    reinterpret_cast<std::uintptr_t>(plane.target) | plane.source_pitch |
                    plane.target_pitch;
  return bits % 16 == 0 ? 16 : bits % 4 == 0 ? 4 : 1;
}

CUDACAM_HOST_AND_DEVICE inline unsigned divide_up(unsigned value, unsigned unit) {
  return value / unit + (value % unit != 0);
}

/// Tiles side by side; the last access of a row may be only partly in it.
CUDACAM_HOST_AND_DEVICE inline unsigned tiles_across(const PlaneCopy &plane) {
  return divide_up(divide_up(plane.width, access_size(plane)), kTileColumns);
}

CUDACAM_HOST_AND_DEVICE inline unsigned tiles(const PlaneCopy &plane) {
  return tiles_across(plane) * divide_up(plane.rows, kTileRows);
}

/// Puts planes into an empty table; returns how many blocks a launch takes, 0 when there is nothing
/// to copy.
template <unsigned Capacity>
unsigned fill(PlaneTable<Capacity> &table, const PlaneCopy *planes, std::size_t count) {
  unsigned blocks = 0;
  for (table.count = 0; table.count < count; ++table.count) {
    blocks += tiles(planes[table.count]);
    table.tiles_up_to[table.count] = blocks;
    table.planes[table.count] = planes[table.count];
  }
  return blocks;
}

}  // namespace cudacam
