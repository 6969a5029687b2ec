// SPDX-License-Identifier: LGPL-2.1-or-later
/// The kernels for the simulated driver, from the same source.
#include <nvsim/kernel.hpp>

#include "kernels/copy_frames.cu"

namespace cudacam {

template <unsigned Capacity>
void nvsim_visit(PlaneTable<Capacity> &table, nvsim::KernelVisitor &visitor) {
  for (unsigned i = 0; i < table.count; ++i) {
    auto &plane = table.planes[i];
    visitor.reads(plane.source, plane.source_pitch, plane.width, plane.rows);
    visitor.writes(plane.target, plane.target_pitch, plane.width, plane.rows);
  }
}

}  // namespace cudacam

NVSIM_KERNEL(copy_frame)
NVSIM_KERNEL(copy_frames)
NVSIM_MODULE()
