/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include "export.h"

G_BEGIN_DECLS

/**
 * GST_CUDA_CAM_EVENT_CAMERA:
 *
 * Name of the sticky downstream event that cudacamsrc pushes, in order with the frames, when a
 * camera was lost and before the first frame of each connection.
 */
#define GST_CUDA_CAM_EVENT_CAMERA "cudacam-camera"

/**
 * GST_CUDA_CAM_EVENT_RECONNECT:
 *
 * Name of the upstream event that asks cudacamsrc to replace its connection.
 */
#define GST_CUDA_CAM_EVENT_RECONNECT "cudacam-reconnect"

/**
 * gst_cuda_cam_event_new_camera:
 * @camera: name of the camera
 * @connection: connections that delivered frames so far; see #GstCudaCamFrameMeta
 * @streaming: %TRUE: frames of @connection follow; %FALSE: the camera was lost
 * @reason: (nullable): why it was lost, for people; never holds credentials
 *
 * Fields of the event's structure: `camera` (string), `connection` (uint64), `streaming` (boolean),
 * `reason` (string, absent when %NULL).
 *
 * Returns: (transfer full): a sticky, serialized downstream event
 */
GST_CUDA_CAM_API GstEvent *gst_cuda_cam_event_new_camera(const gchar *camera, guint64 connection,
                                                         gboolean streaming, const gchar *reason);

/**
 * gst_cuda_cam_event_parse_camera:
 * @event: (transfer none): any event
 * @camera: (out) (optional) (transfer none): name of the camera, valid as long as @event
 * @connection: (out) (optional): see gst_cuda_cam_event_new_camera()
 * @streaming: (out) (optional): see gst_cuda_cam_event_new_camera()
 * @reason: (out) (optional) (nullable) (transfer none): valid as long as @event
 *
 * Returns: whether @event is a camera event; the others are set only then
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_event_parse_camera(GstEvent *event, const gchar **camera,
                                                          guint64 *connection, gboolean *streaming,
                                                          const gchar **reason);

/**
 * gst_cuda_cam_event_new_reconnect:
 * @reason: who asks and why, for people
 *
 * Field of the event's structure: `reason` (string).
 *
 * Returns: (transfer full): an upstream event for gst_element_send_event() or gst_pad_push_event()
 */
GST_CUDA_CAM_API GstEvent *gst_cuda_cam_event_new_reconnect(const gchar *reason);

/**
 * gst_cuda_cam_event_parse_reconnect:
 * @event: (transfer none): any event
 * @reason: (out) (optional) (transfer none): valid as long as @event
 *
 * Returns: whether @event is a reconnect event; @reason is set only then
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_event_parse_reconnect(GstEvent *event, const gchar **reason);

G_END_DECLS
