// SPDX-License-Identifier: LGPL-2.1-or-later
#include "shared-context.hpp"

#ifdef HAVE_CUDA
#include "cuda/compat.hpp"
#include "cuda/context.hpp"
#endif

namespace cudacam::test {

#ifdef HAVE_CUDA
void share_context(GstElement *pipeline) {
  // Lives as long as the process: at its end, the libraries behind it may be gone first.
  static GstCudaContext *const context = [] {
    if (!gst_cuda_load_library()) return static_cast<GstCudaContext *>(nullptr);
    gst_cuda_memory_init_once();
    return gst_cuda_context_new(0);
  }();
  if (!context) return;
  GstContext *wrapped = gst_context_new_cuda_context(context);
  gst_element_set_context(pipeline, wrapped);
  gst_context_unref(wrapped);
}
#else
void share_context(GstElement *) {
}
#endif

}  // namespace cudacam::test
