// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "cuda/context.hpp"
#include "cuda/driver.hpp"

namespace cudacam {

/// Owns a CUDA stream of a context. It is a blocking one, in order with the NULL stream: stock
/// elements of GStreamer 1.22 download frames there.
class Stream {
 public:
  explicit Stream(GstCudaContext *context) : context_(share(context)) {
    const ContextScope scope(context_.get());
    driver().cuStreamCreate(&stream_, static_cast<unsigned>(CU_STREAM_DEFAULT));
  }
  ~Stream() {
    try {
      const ContextScope scope(context_.get());
      driver().cuStreamDestroy.quiet(stream_);
    } catch (const CudaError &) {
      // Logged where it happened; a stream that cannot be destroyed ends with its context.
    }
  }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;

  CUstream handle() const { return stream_; }
  GstCudaContext *context() const { return context_.get(); }

 private:
  CudaContextPtr context_;
  CUstream stream_ = nullptr;
};

}  // namespace cudacam
