// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/video.h>

#include <memory>

#include "cuda/mapped-frame.hpp"
#include "cuda/plane-copier.hpp"
#include "cuda/stream.hpp"

namespace cudacam {

/// Copies frames, from wherever they are, into CUDA memory of one context. On one thread at a time.
///
///   the same GPU, any context    one launch of the copy kernel
///   another GPU                  peer to peer where the GPUs can; else the driver stages in host
///                                memory
///   host memory                  uploaded, plane by plane
class FrameCopier {
 public:
  explicit FrameCopier(GstCudaContext *context);

  /// Enqueues on `stream`, of this context, the copy of `source` to `target`, both frames of
  /// `info`'s format and size, after the work that still writes the source. The source must be
  /// kept, and the target not be read, until the stream has done the copy. Throws CudaError and
  /// std::runtime_error; then nothing that was enqueued reads the source any more.
  ///
  /// Where the source is ordinary (pageable) host memory, mapped device memory included, the driver
  /// reads it before the call returns; what is page-locked stays where it is as long as it is kept.
  void enqueue(const GstVideoInfo &info, GstBuffer *source, GstBuffer *target, StreamView stream);

 private:
  void reach(GstCudaContext *peer);

  CudaContextPtr context_;
  std::shared_ptr<PlaneCopier> planes_;
  CudaContextPtr reached_;  // the other GPU's context that was last asked for access
};

}  // namespace cudacam
