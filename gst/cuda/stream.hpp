// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "cuda/context.hpp"
#include "cuda/driver.hpp"

namespace cudacam {

/// A stream that somebody else owns, and its context.
struct StreamView {
  GstCudaContext *context = nullptr;
  CUstream handle = nullptr;
};

/// Owns a CUDA stream of a context. By default it is a blocking one, in order with the NULL stream:
/// stock elements of GStreamer 1.22 download frames there. CU_STREAM_NON_BLOCKING is for streams
/// that wait for an application's work, which must not hold up the NULL stream.
class Stream {
 public:
  explicit Stream(GstCudaContext *context, unsigned flags = CU_STREAM_DEFAULT)
      : context_(share(context)) {
    const ContextScope scope(context_.get());
    driver().cuStreamCreate(&stream_, flags);
  }
  ~Stream() { driver().cuStreamDestroy.quiet(stream_); }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;

  CUstream handle() const { return stream_; }
  GstCudaContext *context() const { return context_.get(); }
  StreamView view() const { return {context_.get(), stream_}; }

 private:
  CudaContextPtr context_;
  CUstream stream_ = nullptr;
};

}  // namespace cudacam
