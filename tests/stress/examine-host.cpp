// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The kernels of examine.cu for the simulated GPU, whose threads run one after the other.
#include "nvsim/kernel.hpp"

static unsigned long long atomicAdd(unsigned long long *target, unsigned long long value) {
  const unsigned long long before = *target;
  *target += value;
  return before;
}

#include "examine.cu"

NVSIM_KERNEL_WITH(add_plane, [](auto &visitor, auto &plane, auto &pitch, auto &row_bytes,
                                auto &rows, auto &, auto &sum) {
  visitor.reads(plane, pitch, row_bytes, rows);
  visitor.writes(sum, sizeof *sum, sizeof *sum, 1);
})
NVSIM_KERNEL_WITH(average_blocks, [](auto &visitor, auto &luma, auto &pitch, auto &block_width,
                                     auto &block_height, auto &, auto &bottom_y, auto &averages) {
  visitor.reads(luma, pitch, 16 * block_width, bottom_y + 3 * block_height);
  visitor.writes(averages, 96, 96, 1);
})
NVSIM_MODULE()
