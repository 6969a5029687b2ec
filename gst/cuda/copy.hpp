// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/video.h>

#include <memory>

#include "cuda/context.hpp"
#include "cuda/copy-combiner.hpp"
#include "cuda/fence.hpp"
#include "cuda/stream.hpp"

namespace cudacam {

/// Copies frames, from wherever they are, into CUDA memory of one context. On one thread at a time.
///
///   the same GPU, any context    one launch of the copy kernel, shared with other cameras whose
///                                frames come at the same moment
///   another GPU                  peer to peer where the GPUs can; else the driver stages in host
///                                memory
///   host memory                  uploaded, plane by plane
class FrameCopier {
 public:
  explicit FrameCopier(GstCudaContext *context);

  /// Queues the copy of `source` to `target`, both frames of `info`'s format and size, on `stream`,
  /// which is of this context, after the work that still writes the source. The source must be
  /// kept, and the target not be read, until the copy has ended. Throws CudaError and
  /// std::runtime_error; then nothing of it is queued any more.
  ///
  /// Ordinary (pageable) host memory is read before the call returns, pinned memory later.
  ///
  /// With the `fence` of the target the copy may share a launch with copies of other cameras: then
  /// it is on another stream, which is returned, and fence->written_on() was called for it. Else
  /// returns `stream`.
  CUstream enqueue(const GstVideoInfo &info, GstBuffer *source, GstBuffer *target,
                   StreamView stream, Fence *fence = nullptr);

 private:
  void reach(GstCudaContext *peer);

  CudaContextPtr context_;
  std::shared_ptr<CopyCombiner> combiner_;
  CudaContextPtr reached_;  // the other GPU's context that was last asked for access
};

}  // namespace cudacam
