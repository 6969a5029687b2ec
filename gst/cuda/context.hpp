// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/cuda/gstcudacontext.h>

#include "base/ptr.hpp"
#include "cuda/driver.hpp"

namespace cudacam {

using CudaContextPtr = ObjectPtr<GstCudaContext>;

/// The ordinal of the context's device.
inline gint device_of(GstCudaContext *context) {
  guint device = 0;
  g_object_get(context, "cuda-device-id", &device, nullptr);
  return static_cast<gint>(device);
}

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
