// SPDX-License-Identifier: LGPL-2.1-or-later
/// In builds without CUDA, where no frame can be on a GPU.
#include <stdexcept>

#include "gpu-examiner.hpp"

namespace cudacam::soak {

struct GpuExaminer::State {};

GpuExaminer::GpuExaminer(GstBuffer *, const std::string &) {
  throw std::runtime_error("a frame is in CUDA memory, but this program was built without CUDA");
}

GpuExaminer::~GpuExaminer() = default;

Look GpuExaminer::look(GstCudaCamLease *, const std::vector<GstCudaCamPlane> &, bool) {
  return {};
}

void GpuExaminer::spoil(const GstCudaCamPlane &) {
}

}  // namespace cudacam::soak
