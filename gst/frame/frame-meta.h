/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include "export.h"
#include "fence.h"

G_BEGIN_DECLS

/**
 * GstCudaCamFrameMeta:
 * @meta: parent
 * @camera: name of the camera (the `camera-name` property of cudacamsrc, else of cudacampool, else
 *   that element's name); owned by the meta, never %NULL, valid as long as the buffer
 * @connection: how many connections to the camera delivered frames before and including the one
 *   that delivered this frame: 1 for the first, one more after each reconnect. When the source is
 *   not a cudacamsrc, a connection is a stream (STREAM_START): one more when the source was
 *   restarted, by `reconnect-mode=state` of cudacamsink or by the application; 0 when there was no
 *   STREAM_START
 * @generation: generation of the slots that hold the frame: 1 for the first caps, one more whenever
 *   cudacampool had to make new slots (size or format changed)
 * @sequence: number of the frame at its cudacampool, from 0 whenever that element starts (READY to
 *   PAUSED); a gap is the number of frames that were dropped because no slot was free
 * @capture_time: when the camera took the picture, in nanoseconds since the Unix epoch (UTC, from
 *   the camera's RTCP sender reports), or %GST_CLOCK_TIME_NONE when the camera does not say
 * @fence: (nullable): what the GPU's work on the frame is ordered by, when the frame is in a slot
 * in CUDA memory, owned by the meta; %NULL for frames in system memory, and for copies of the
 * pixels, which are complete
 *
 * What cudacampool knows of a frame. Set once by the pool, constant afterwards, readable from any
 * thread that holds a reference to the buffer. Copied with the buffer when the memory is copied or
 * shared; sub-regions in time or format conversions drop it.
 *
 * An element that lists this API in its answer to the ALLOCATION query says that it waits for
 * @fence before it reads a frame: with `sync-mode=auto` cudacampool then passes frames on whose
 * pixels the GPU has still to write.
 *
 * Since: 0.1
 */
typedef struct {
  GstMeta meta;

  const gchar *camera;
  guint64 connection;
  guint64 generation;
  guint64 sequence;
  GstClockTime capture_time;
  GstCudaCamFence *fence;
} GstCudaCamFrameMeta;

#define GST_CUDA_CAM_FRAME_META_API_TYPE (gst_cuda_cam_frame_meta_api_get_type())

GST_CUDA_CAM_API GType gst_cuda_cam_frame_meta_api_get_type(void);
GST_CUDA_CAM_API const GstMetaInfo *gst_cuda_cam_frame_meta_get_info(void);

/**
 * gst_buffer_add_cuda_cam_frame_meta: (skip)
 * @buffer: (transfer none): a writable buffer
 * @camera: name of the camera, copied
 * @connection: see #GstCudaCamFrameMeta
 * @generation: see #GstCudaCamFrameMeta
 * @sequence: see #GstCudaCamFrameMeta
 * @capture_time: see #GstCudaCamFrameMeta
 *
 * Attaches the meta, with the fence of the memory that @buffer has now; for elements that make
 * frames. Any thread that owns @buffer.
 *
 * Returns: (transfer none): the meta, owned by @buffer
 */
GST_CUDA_CAM_API GstCudaCamFrameMeta *gst_buffer_add_cuda_cam_frame_meta(
    GstBuffer *buffer, const gchar *camera, guint64 connection, guint64 generation,
    guint64 sequence, GstClockTime capture_time);

/**
 * gst_buffer_get_cuda_cam_frame_meta: (skip)
 * @buffer: (transfer none): a buffer
 *
 * Returns: (transfer none) (nullable): the frame meta of @buffer, valid as long as @buffer, or
 * %NULL when no cudacampool has seen it
 */
GST_CUDA_CAM_API GstCudaCamFrameMeta *gst_buffer_get_cuda_cam_frame_meta(GstBuffer *buffer);

G_END_DECLS
