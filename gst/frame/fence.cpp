// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame/fence.h"

#include <atomic>

struct _GstCudaCamFence {
  std::atomic<int> references{1};
  const GstCudaCamFenceFuncs *const funcs;
  const gpointer user_data;

  _GstCudaCamFence(const GstCudaCamFenceFuncs *how, gpointer data) : funcs(how), user_data(data) {}
};

G_DEFINE_BOXED_TYPE(GstCudaCamFence, gst_cuda_cam_fence, gst_cuda_cam_fence_ref,
                    gst_cuda_cam_fence_unref)

namespace {

GQuark fence_quark() {
  static const GQuark quark = g_quark_from_static_string("cudacam-fence");
  return quark;
}

void unref(gpointer fence) {
  gst_cuda_cam_fence_unref(static_cast<GstCudaCamFence *>(fence));
}

}  // namespace

GstCudaCamFence *gst_cuda_cam_fence_new(const GstCudaCamFenceFuncs *funcs, gpointer user_data) {
  g_return_val_if_fail(funcs && funcs->wait && funcs->wait_on_stream && funcs->add_reader, nullptr);
  return new GstCudaCamFence(funcs, user_data);
}

GstCudaCamFence *gst_cuda_cam_fence_ref(GstCudaCamFence *fence) {
  g_return_val_if_fail(fence, nullptr);
  fence->references.fetch_add(1, std::memory_order_relaxed);
  return fence;
}

void gst_cuda_cam_fence_unref(GstCudaCamFence *fence) {
  g_return_if_fail(fence);
  if (fence->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (fence->funcs->free) fence->funcs->free(fence->user_data);
  delete fence;
}

gboolean gst_cuda_cam_fence_wait(GstCudaCamFence *fence, GError **error) {
  g_return_val_if_fail(fence, FALSE);
  return fence->funcs->wait(fence->user_data, error);
}

gboolean gst_cuda_cam_fence_wait_on_stream(GstCudaCamFence *fence, gpointer cuda_stream,
                                           GError **error) {
  g_return_val_if_fail(fence, FALSE);
  return fence->funcs->wait_on_stream(fence->user_data, cuda_stream, error);
}

gboolean gst_cuda_cam_fence_add_reader(GstCudaCamFence *fence, gpointer cuda_stream,
                                       GError **error) {
  g_return_val_if_fail(fence, FALSE);
  return fence->funcs->add_reader(fence->user_data, cuda_stream, error);
}

void gst_cuda_cam_memory_set_fence(GstMemory *memory, GstCudaCamFence *fence) {
  g_return_if_fail(memory && fence);
  gst_mini_object_set_qdata(GST_MINI_OBJECT_CAST(memory), fence_quark(),
                            gst_cuda_cam_fence_ref(fence), unref);
}

GstCudaCamFence *gst_cuda_cam_buffer_get_fence(GstBuffer *buffer) {
  g_return_val_if_fail(GST_IS_BUFFER(buffer), nullptr);
  if (gst_buffer_n_memory(buffer) != 1) return nullptr;
  auto *memory = gst_buffer_peek_memory(buffer, 0);
  while (memory->parent) memory = memory->parent;  // sub-memories share their parent's bytes
  return static_cast<GstCudaCamFence *>(
      gst_mini_object_get_qdata(GST_MINI_OBJECT_CAST(memory), fence_quark()));
}
