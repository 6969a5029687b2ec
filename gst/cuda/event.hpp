// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "cuda/context.hpp"
#include "cuda/driver.hpp"

namespace cudacam {

/// Owns a CUDA event of a context: a mark in a stream, which the GPU or a thread can wait for. It
/// measures no time, and a thread that waits for it sleeps. Any thread, any context current.
class Event {
 public:
  explicit Event(GstCudaContext *context) : context_(share(context)) {
    const ContextScope scope(context_.get());
    driver().cuEventCreate(&event_, CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC);
  }
  ~Event() { driver().cuEventDestroy.quiet(event_); }
  Event(const Event &) = delete;
  Event &operator=(const Event &) = delete;

  /// Marks the end of what is queued on `stream` now, a stream of the event's context.
  void record(CUstream stream) { driver().cuEventRecord(event_, stream); }

  /// Whether the work before the latest mark has ended; true without a mark.
  bool passed() const {
    const auto result = driver().cuEventQuery.quiet(event_);
    if (result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY)
      driver().cuEventQuery.throw_failure(result);
    return result == CUDA_SUCCESS;
  }

  /// Blocks this thread until the work before the latest mark has ended.
  void wait() const { driver().cuEventSynchronize(event_); }

  /// Makes what is queued on `stream` from now on, a stream of any context, wait for the latest
  /// mark.
  void wait_on(CUstream stream) const { driver().cuStreamWaitEvent(stream, event_, 0u); }

 private:
  CudaContextPtr context_;
  CUevent event_ = nullptr;
};

}  // namespace cudacam
