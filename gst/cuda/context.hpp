// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/cuda/gstcudacontext.h>

#include <stdexcept>

#include "base/ptr.hpp"

namespace cudacam {

using CudaContextPtr = ObjectPtr<GstCudaContext>;

/// The ordinal of the context's device.
inline gint device_of(GstCudaContext *context) {
  guint device = 0;
  g_object_get(context, "cuda-device-id", &device, nullptr);
  return static_cast<gint>(device);
}

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
