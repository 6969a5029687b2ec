// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame/frame-meta.h"

namespace {

GstCudaCamFrameMeta *frame(GstMeta *meta) {
  return reinterpret_cast<GstCudaCamFrameMeta *>(meta);
}

gboolean init(GstMeta *meta, gpointer, GstBuffer *) {
  static const gchar *const nobody = g_intern_static_string("");
  auto *self = frame(meta);
  self->camera = nobody;
  self->connection = self->generation = self->sequence = 0;
  self->capture_time = GST_CLOCK_TIME_NONE;
  self->fence = nullptr;
  return TRUE;
}

void clear(GstMeta *meta, GstBuffer *) {
  g_clear_pointer(&frame(meta)->fence, gst_cuda_cam_fence_unref);
}

/// Follows the frame into copies (shallow ones too); any other transformation makes another
/// picture.
gboolean transform(GstBuffer *target, GstMeta *meta, GstBuffer *, GQuark type, gpointer data) {
  if (!GST_META_TRANSFORM_IS_COPY(type)) return FALSE;
  if (data && static_cast<GstMetaTransformCopy *>(data)->region) return FALSE;
  const auto *self = frame(meta);
  return gst_buffer_add_cuda_cam_frame_meta(target, self->camera, self->connection,
                                            self->generation, self->sequence,
                                            self->capture_time) != nullptr;
}

}  // namespace

GType gst_cuda_cam_frame_meta_api_get_type(void) {
  static const GType type = [] {
    static const gchar *tags[] = {nullptr};
    return gst_meta_api_type_register("GstCudaCamFrameMetaAPI", tags);
  }();
  return type;
}

const GstMetaInfo *gst_cuda_cam_frame_meta_get_info(void) {
  static const GstMetaInfo *info =
      gst_meta_register(GST_CUDA_CAM_FRAME_META_API_TYPE, "GstCudaCamFrameMeta",
                        sizeof(GstCudaCamFrameMeta), init, clear, transform);
  return info;
}

GstCudaCamFrameMeta *gst_buffer_add_cuda_cam_frame_meta(GstBuffer *buffer, const gchar *camera,
                                                        guint64 connection, guint64 generation,
                                                        guint64 sequence,
                                                        GstClockTime capture_time) {
  g_return_val_if_fail(GST_IS_BUFFER(buffer) && gst_buffer_is_writable(buffer), nullptr);
  g_return_val_if_fail(camera, nullptr);
  auto *meta = frame(gst_buffer_add_meta(buffer, gst_cuda_cam_frame_meta_get_info(), nullptr));
  // Interned for the life of the process: cameras are few, frames are many. GLib's interned
  // reference-counted strings (2.58 to at least 2.74) race when two threads drop and take the last
  // reference.
  meta->camera = g_intern_string(camera);
  meta->connection = connection;
  meta->generation = generation;
  meta->sequence = sequence;
  meta->capture_time = capture_time;
  // Of the memory, not of the meta this one is a copy of: pixels that were copied have none.
  auto *fence = gst_cuda_cam_buffer_get_fence(buffer);
  meta->fence = fence ? gst_cuda_cam_fence_ref(fence) : nullptr;
  return meta;
}

GstCudaCamFrameMeta *gst_buffer_get_cuda_cam_frame_meta(GstBuffer *buffer) {
  g_return_val_if_fail(GST_IS_BUFFER(buffer), nullptr);
  return frame(gst_buffer_get_meta(buffer, GST_CUDA_CAM_FRAME_META_API_TYPE));
}
