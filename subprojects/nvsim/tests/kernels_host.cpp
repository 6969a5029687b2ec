// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The host build of a .cu file, as a program under test would make it.
#include "nvsim/kernel.hpp"

#include "kernels.cu"

void nvsim_visit(CopyJob &job, nvsim::KernelVisitor &visitor) {
  visitor.reads(job.source, job.source_pitch, job.width, job.height);
  visitor.writes(job.target, job.target_pitch, job.width, job.height);
}

NVSIM_KERNEL(copy_rectangle)
NVSIM_KERNEL(fill_to_the_end)
NVSIM_KERNEL(overrun)
NVSIM_KERNEL(follow_hidden_pointer)
NVSIM_KERNEL_WITH(fill_rows, [](auto &visitor, auto &target, auto &pitch, auto &width,
                                auto &height) { visitor.writes(target, pitch, width, height); })
NVSIM_MODULE()
