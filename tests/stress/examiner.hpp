// SPDX-License-Identifier: LGPL-2.1-or-later
/// Looks at a leased frame where it lies: on the GPU by kernels, in system memory by the processor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cuda-failure.hpp"
#include "frame-number.hpp"
#include "gstcudacam.h"

namespace cudacam::soak {

/// What a picture shows now.
struct Look {
  test::FrameReading reading;
  std::uint64_t sum = 0;  ///< over every byte of every plane
};

class GpuExaminer;

/// The frames of one reader. One thread.
class Examiner {
 public:
  /// `kernels`: a file that the driver takes as a module; needed once a frame is on the GPU.
  explicit Examiner(std::string kernels);
  ~Examiner();
  Examiner(const Examiner &) = delete;
  Examiner &operator=(const Examiner &) = delete;

  /// Waits for the frame and for its own work. Throws test::CudaFailure, or another
  /// std::runtime_error for a frame that has no planes.
  Look look(GstCudaCamLease *lease) { return look(lease, false); }
  /// The same, and gives the frame back: on the GPU before its own work has ended.
  Look look_and_release(GstCudaCamLease *lease) { return look(lease, true); }
  /// Changes one byte of chroma: what nobody may do, for the tests of those who have to notice.
  void spoil(GstCudaCamLease *lease);

 private:
  Look look(GstCudaCamLease *lease, bool release);
  GpuExaminer &gpu(GstCudaCamLease *lease);

  const std::string kernels_;
  std::unique_ptr<GpuExaminer> gpu_;  // from the first frame in CUDA memory on
};

/// The file beside the program that holds the kernels: for the simulated GPU where it is one.
/// $CUDACAM_SOAK_KERNELS overrides.
std::string find_kernels();

}  // namespace cudacam::soak
