// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/video.h>

#include <memory>

#include "cuda/context.hpp"
#include "cuda/copy-combiner.hpp"
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
  /// which is of this context, after the work that still writes the source; or, when the copies of
  /// other cameras are launched at the same moment and nothing is queued on `stream`, on a stream
  /// together with them. Returns the stream that the copy is on. The source must be kept, and the
  /// target not be read, until the copy has ended. Throws CudaError and std::runtime_error; then
  /// nothing of it is queued any more.
  ///
  /// So whoever still works on the target must be on `stream`, or be waited for there.
  ///
  /// Ordinary (pageable) host memory is read before the call returns, pinned memory later.
  ///
  /// `by_host`: CUDA memory that this GPU cannot be made to reach is downloaded first; this thread
  /// waits for that.
  CUstream enqueue(const GstVideoInfo &info, GstBuffer *source, GstBuffer *target,
                   StreamView stream, bool by_host = false);

 private:
  void reach(GstCudaContext *peer);

  CudaContextPtr context_;
  std::shared_ptr<CopyCombiner> combiner_;
  CudaContextPtr reached_;  // the other GPU's context that was last asked for access
};

}  // namespace cudacam
