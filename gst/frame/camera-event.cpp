// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame/camera-event.h"

GstEvent *gst_cuda_cam_event_new_camera(const gchar *camera, guint64 connection, gboolean streaming,
                                        const gchar *reason) {
  g_return_val_if_fail(camera, nullptr);
  auto *fields =
      gst_structure_new(GST_CUDA_CAM_EVENT_CAMERA, "camera", G_TYPE_STRING, camera, "connection",
                        G_TYPE_UINT64, connection, "streaming", G_TYPE_BOOLEAN, streaming, nullptr);
  if (reason) gst_structure_set(fields, "reason", G_TYPE_STRING, reason, nullptr);
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, fields);
}

gboolean gst_cuda_cam_event_parse_camera(GstEvent *event, const gchar **camera, guint64 *connection,
                                         gboolean *streaming, const gchar **reason) {
  g_return_val_if_fail(GST_IS_EVENT(event), FALSE);
  if (!gst_event_has_name(event, GST_CUDA_CAM_EVENT_CAMERA)) return FALSE;
  const auto *fields = gst_event_get_structure(event);
  const char *name = gst_structure_get_string(fields, "camera");
  guint64 number = 0;
  gboolean on = FALSE;
  if (!name || !gst_structure_get_uint64(fields, "connection", &number) ||
      !gst_structure_get_boolean(fields, "streaming", &on))
    return FALSE;
  if (camera) *camera = name;
  if (connection) *connection = number;
  if (streaming) *streaming = on;
  if (reason) *reason = gst_structure_get_string(fields, "reason");
  return TRUE;
}

GstEvent *gst_cuda_cam_event_new_reconnect(const gchar *reason) {
  g_return_val_if_fail(reason, nullptr);
  return gst_event_new_custom(
      GST_EVENT_CUSTOM_UPSTREAM,
      gst_structure_new(GST_CUDA_CAM_EVENT_RECONNECT, "reason", G_TYPE_STRING, reason, nullptr));
}

gboolean gst_cuda_cam_event_parse_reconnect(GstEvent *event, const gchar **reason) {
  g_return_val_if_fail(GST_IS_EVENT(event), FALSE);
  if (!gst_event_has_name(event, GST_CUDA_CAM_EVENT_RECONNECT)) return FALSE;
  const char *text = gst_structure_get_string(gst_event_get_structure(event), "reason");
  if (!text) return FALSE;
  if (reason) *reason = text;
  return TRUE;
}
