// SPDX-License-Identifier: LGPL-2.1-or-later
/// Copies the planes of one or many frames in one launch.
///
/// Blocks of 32 by 8 threads; each thread moves up to four accesses of 16 bytes, all loaded before
/// the first is stored, so that enough of them are under way to fill the memory's bandwidth. Where
/// pointers or pitches are not multiples of 16, accesses are of 4 bytes or of one.
#include "kernels/copy_frames.hpp"

namespace cudacam {
namespace {

constexpr unsigned kRowsOfThread = kTileRows / kBlockRows;

/// The bytes at the end of the rows that do not fill an access.
__device__ void copy_tail(const PlaneCopy &plane, unsigned start, unsigned first_row) {
  for (unsigned i = 0; i < kRowsOfThread; ++i) {
    const std::size_t row = first_row + i * kBlockRows;
    if (row >= plane.rows) return;
    for (unsigned x = start; x < plane.width; ++x)
      plane.target[row * plane.target_pitch + x] = plane.source[row * plane.source_pitch + x];
  }
}

template <typename Access>
__device__ void copy_tile(const PlaneCopy &plane, unsigned tile) {
  const unsigned across = tiles_across(plane);
  const unsigned column = tile % across * kTileColumns + threadIdx.x;
  const unsigned first_row = tile / across * kTileRows + threadIdx.y;
  const unsigned start = column * static_cast<unsigned>(sizeof(Access));
  if (start >= plane.width) return;
  if (plane.width - start < sizeof(Access)) return copy_tail(plane, start, first_row);

  Access values[kRowsOfThread] = {};
  for (unsigned i = 0; i < kRowsOfThread; ++i) {
    const std::size_t row = first_row + i * kBlockRows;
    if (row < plane.rows)
      values[i] =
          *reinterpret_cast<const Access *>(plane.source + row * plane.source_pitch + start);
  }
  for (unsigned i = 0; i < kRowsOfThread; ++i) {
    const std::size_t row = first_row + i * kBlockRows;
    if (row < plane.rows)
      *reinterpret_cast<Access *>(plane.target + row * plane.target_pitch + start) = values[i];
  }
}

template <unsigned Capacity>
__device__ void copy_planes(const PlaneTable<Capacity> &table) {
  // The first plane whose tiles reach past this block's.
  unsigned first = 0;
  for (unsigned end = table.count - 1; first < end;) {
    const unsigned middle = (first + end) / 2;
    if (table.tiles_up_to[middle] > blockIdx.x)
      end = middle;
    else
      first = middle + 1;
  }
  const PlaneCopy &plane = table.planes[first];
  const unsigned tile = blockIdx.x - (first > 0 ? table.tiles_up_to[first - 1] : 0);
  switch (access_size(plane)) {
    case 16:
      return copy_tile<uint4>(plane, tile);
    case 4:
      return copy_tile<unsigned>(plane, tile);
    default:
      return copy_tile<unsigned char>(plane, tile);
  }
}

}  // namespace
}  // namespace cudacam

extern "C" __global__ void __launch_bounds__(256)
    copy_frame(const __grid_constant__ cudacam::PlaneTable<cudacam::kSmallTable> table) {
  cudacam::copy_planes(table);
}

extern "C" __global__ void __launch_bounds__(256)
    copy_frames(const __grid_constant__ cudacam::PlaneTable<cudacam::kLargeTable> table) {
  cudacam::copy_planes(table);
}
