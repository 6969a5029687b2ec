// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <memory>

#include "cuda/context.hpp"
#include "cuda/driver.hpp"
#include "cuda/kernel-image.hpp"
#include "kernels/copy_frames.hpp"

namespace cudacam {

/// One plane by the driver, in the current context. `source` says where the plane lies:
/// CU_MEMORYTYPE_UNIFIED lets the driver find out, on another GPU for one. Throws CudaError.
void copy_by_driver(const PlaneCopy &plane, CUstream stream,
                    CUmemorytype source = CU_MEMORYTYPE_DEVICE);

/// Copies planes on the GPU of one context: many of them, of many frames, in one launch of our
/// kernel; by one cuMemcpy2DAsync each where the kernel cannot be had. From any thread.
class PlaneCopier {
 public:
  /// The copier of `context`: made for whoever asks first, with that one's image, and gone with its
  /// last user.
  static std::shared_ptr<PlaneCopier> of(GstCudaContext *context,
                                         const void *image = kernel_image());

  /// `image` is for cuModuleLoadData; null when there is none. A driver that does not take it is
  /// no error: it is logged, and the driver copies.
  PlaneCopier(GstCudaContext *context, const void *image);
  ~PlaneCopier();
  PlaneCopier(const PlaneCopier &) = delete;
  PlaneCopier &operator=(const PlaneCopier &) = delete;

  bool has_kernel() const { return module_ != nullptr; }

  /// Enqueues the copies on `stream`, which is of this context. Memory of other contexts of the
  /// same device will do. Throws CudaError; then some of the copies may have been enqueued.
  void enqueue(const PlaneCopy *planes, std::size_t count, CUstream stream) const;

 private:
  void load(const void *image);

  CudaContextPtr context_;
  CUmodule module_ = nullptr;
  CUfunction copy_frame_ = nullptr;   // few planes
  CUfunction copy_frames_ = nullptr;  // many
};

}  // namespace cudacam
