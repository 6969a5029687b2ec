// SPDX-License-Identifier: LGPL-2.1-or-later
/// The part of Examiner for frames in CUDA memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "examiner.hpp"

namespace cudacam::soak {

/// Works in the context of the first frame that it is shown.
class GpuExaminer {
 public:
  GpuExaminer(GstBuffer *frame, const std::string &kernels);
  ~GpuExaminer();
  GpuExaminer(const GpuExaminer &) = delete;
  GpuExaminer &operator=(const GpuExaminer &) = delete;

  /// `release`: while the kernels still read the frame; it is not written before they have ended.
  Look look(GstCudaCamLease *lease, const std::vector<GstCudaCamPlane> &planes, bool release);
  void spoil(const GstCudaCamPlane &plane);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cudacam::soak
