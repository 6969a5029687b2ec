// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/cuda/gstcudacontext.h>

#include "base/ptr.hpp"
#include "cuda/driver.hpp"

namespace cudacam {

using CudaContextPtr = ObjectPtr<GstCudaContext>;

/// Makes a context current on this thread for as long as the scope lasts. Throws CudaError.
class ContextScope {
 public:
  explicit ContextScope(GstCudaContext *context) {
    driver().cuCtxPushCurrent(static_cast<CUcontext>(gst_cuda_context_get_handle(context)));
  }
  ~ContextScope() {
    CUcontext popped = nullptr;
    driver().cuCtxPopCurrent.quiet(&popped);
  }
  ContextScope(const ContextScope &) = delete;
  ContextScope &operator=(const ContextScope &) = delete;
};

}  // namespace cudacam
