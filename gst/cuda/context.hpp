// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/cuda/gstcudacontext.h>

#include <stdexcept>

#include "base/ptr.hpp"

namespace cudacam {

using CudaContextPtr = ObjectPtr<GstCudaContext>;

/// Makes a context current on this thread for as long as the scope lasts.
class ContextScope {
 public:
  explicit ContextScope(GstCudaContext *context) {
    if (!gst_cuda_context_push(context))
      throw std::runtime_error("cuCtxPushCurrent: the CUDA context cannot be made current");
  }
  ~ContextScope() { gst_cuda_context_pop(nullptr); }
  ContextScope(const ContextScope &) = delete;
  ContextScope &operator=(const ContextScope &) = delete;
};

}  // namespace cudacam
