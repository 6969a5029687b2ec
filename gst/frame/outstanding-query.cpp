// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame/outstanding-query.h"

#include "base/ptr.hpp"

namespace {

const GValue *frames_of(GstQuery *query) {
  const auto *frames = gst_structure_get_value(gst_query_get_structure(query), "frames");
  return frames && GST_VALUE_HOLDS_ARRAY(frames) ? frames : nullptr;
}

}  // namespace

GstQuery *gst_cuda_cam_query_new_outstanding(void) {
  auto *fields = gst_structure_new_empty(GST_CUDA_CAM_QUERY_OUTSTANDING);
  GValue frames = G_VALUE_INIT;
  g_value_init(&frames, GST_TYPE_ARRAY);
  gst_structure_take_value(fields, "frames", &frames);
  return gst_query_new_custom(GST_QUERY_CUSTOM, fields);
}

gboolean gst_cuda_cam_query_is_outstanding(GstQuery *query) {
  g_return_val_if_fail(GST_IS_QUERY(query), FALSE);
  if (GST_QUERY_TYPE(query) != GST_QUERY_CUSTOM) return FALSE;
  const auto *fields = gst_query_get_structure(query);
  return fields && gst_structure_has_name(fields, GST_CUDA_CAM_QUERY_OUTSTANDING) &&
         frames_of(query);
}

void gst_cuda_cam_query_add_outstanding(GstQuery *query, const GstCudaCamOutstanding *frame) {
  g_return_if_fail(gst_cuda_cam_query_is_outstanding(query) && gst_query_is_writable(query));
  g_return_if_fail(frame && frame->element);
  const cudacam::StructurePtr entry(gst_structure_new(
      "frame", "element", G_TYPE_STRING, frame->element, "memory", G_TYPE_UINT64, frame->memory,
      "memory-references", G_TYPE_UINT, frame->memory_references, nullptr));
  if (frame->holder)
    gst_structure_set(entry.get(), "buffer-references", G_TYPE_UINT, frame->buffer_references,
                      "holder", G_TYPE_STRING, frame->holder, "revoked", G_TYPE_BOOLEAN,
                      frame->revoked, nullptr);
  GValue frames = G_VALUE_INIT;
  g_value_init(&frames, GST_TYPE_ARRAY);
  g_value_copy(frames_of(query), &frames);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, GST_TYPE_STRUCTURE);
  gst_value_set_structure(&value, entry.get());
  gst_value_array_append_and_take_value(&frames, &value);
  gst_structure_take_value(gst_query_writable_structure(query), "frames", &frames);
}

guint gst_cuda_cam_query_get_n_outstanding(GstQuery *query) {
  g_return_val_if_fail(gst_cuda_cam_query_is_outstanding(query), 0);
  return gst_value_array_get_size(frames_of(query));
}

gboolean gst_cuda_cam_query_parse_nth_outstanding(GstQuery *query, guint index,
                                                  GstCudaCamOutstanding *frame) {
  g_return_val_if_fail(gst_cuda_cam_query_is_outstanding(query) && frame, FALSE);
  const auto *frames = frames_of(query);
  if (index >= gst_value_array_get_size(frames)) return FALSE;
  const auto *value = gst_value_array_get_value(frames, index);
  if (!GST_VALUE_HOLDS_STRUCTURE(value)) return FALSE;
  const auto *entry = gst_value_get_structure(value);
  GstCudaCamOutstanding found{};
  found.element = gst_structure_get_string(entry, "element");
  found.holder = gst_structure_get_string(entry, "holder");
  if (!found.element || !gst_structure_get_uint64(entry, "memory", &found.memory) ||
      !gst_structure_get_uint(entry, "memory-references", &found.memory_references))
    return FALSE;
  gst_structure_get_uint(entry, "buffer-references", &found.buffer_references);
  gst_structure_get_boolean(entry, "revoked", &found.revoked);
  *frame = found;
  return TRUE;
}
