// SPDX-License-Identifier: LGPL-2.1-or-later
/// The kernel for the simulated driver, from the same source.
#include <nvsim/kernel.hpp>

#include "kernels/mean_luma.cu"

NVSIM_KERNEL_WITH(sum_columns,
                  [](auto &visitor, auto &plane, auto &pitch, auto &width, auto &rows, auto &sums) {
                    visitor.reads(plane, pitch, width, rows);
                    visitor.writes(sums, 0, width * sizeof(unsigned), 1);
                  })
NVSIM_MODULE()
