/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include "../frame/export.h"
#include "../frame/frame-meta.h"

G_BEGIN_DECLS

/**
 * GstCudaCamLease:
 *
 * A frame on loan. While it is not released its pixels are neither overwritten nor freed, whatever
 * happens to the camera, the decoder, the pipeline or the elements.
 *
 * Reference-counted. All functions may be called from any thread; the getters' results are valid
 * until the lease is released or its last reference is gone, whichever comes first.
 *
 * Since: 0.1
 */
typedef struct _GstCudaCamLease GstCudaCamLease;

#define GST_TYPE_CUDA_CAM_LEASE (gst_cuda_cam_lease_get_type())
GST_CUDA_CAM_API GType gst_cuda_cam_lease_get_type(void);

/**
 * GstCudaCamLeaseFuncs: (skip)
 * @released: (nullable): called once, on the thread that releases, after the frame's reference was
 *   given up; none of these is called after it
 * @is_revoked: (nullable): whether the lender has forgotten the lease; must not call into the lease
 *
 * How a lease reaches the #GstCudaCamLender that gave it. Any thread.
 *
 * Since: 0.1
 */
typedef struct {
  void (*released)(gpointer user_data);
  gboolean (*is_revoked)(gpointer user_data);

  /*< private >*/
  gpointer _reserved[6];
} GstCudaCamLeaseFuncs;

/**
 * gst_cuda_cam_lease_new: (skip)
 * @buffer: (transfer none): the frame
 * @caps: (transfer none): its caps
 * @holder: name of the holder
 * @funcs: (nullable): the way back to the lender; outlives the lease
 * @user_data: for @funcs
 *
 * For implementations of #GstCudaCamLender.
 *
 * Returns: (transfer full): a lease
 */
GST_CUDA_CAM_API GstCudaCamLease *gst_cuda_cam_lease_new(GstBuffer *buffer, GstCaps *caps,
                                                         const gchar *holder,
                                                         const GstCudaCamLeaseFuncs *funcs,
                                                         gpointer user_data);

/**
 * gst_cuda_cam_lease_ref:
 * @lease: a lease
 *
 * Returns: (transfer full): @lease
 */
GST_CUDA_CAM_API GstCudaCamLease *gst_cuda_cam_lease_ref(GstCudaCamLease *lease);

/**
 * gst_cuda_cam_lease_unref:
 * @lease: (transfer full): a lease; its last reference releases it
 */
GST_CUDA_CAM_API void gst_cuda_cam_lease_unref(GstCudaCamLease *lease);

/**
 * gst_cuda_cam_lease_release:
 * @lease: (transfer none): a lease
 *
 * Gives the frame back now, also when other references to @lease remain: their getters return %NULL
 * from now on. Work that the caller queued on the GPU with the frame must have ended: the slot may
 * be written again at once, under a kernel that still reads it. Otherwise use
 * gst_cuda_cam_lease_release_after(). Releasing again does nothing. Works after the pipeline, the
 * sink and the plugin's elements are gone.
 */
GST_CUDA_CAM_API void gst_cuda_cam_lease_release(GstCudaCamLease *lease);

/**
 * gst_cuda_cam_lease_release_after:
 * @lease: (transfer none): a lease
 * @cuda_stream: (nullable): the CUDA stream (`CUstream`, `cudaStream_t`) on which the caller's work
 *   with the frame is queued, of any context; %NULL is the default stream of this thread's context
 * @error: (nullable): location for %GST_CUDA_CAM_LEASE_ERROR_RELEASED, or for a
 *   #GST_RESOURCE_ERROR_SYNC that names the CUDA call and its error
 *
 * Like gst_cuda_cam_lease_release(), but the slot is not written again before all work that was
 * queued on @cuda_stream up to now has ended. Nobody waits for that: frames go to other slots
 * meanwhile. Work on several streams: make one of them wait for the others, or see
 * gst_cuda_cam_fence_add_reader().
 *
 * A frame in system memory is released at once: the driver has taken what it copies from there when
 * the call returns. (Not so if the application has registered that memory with
 * cuMemHostRegister().)
 *
 * Returns: whether the lease is released; otherwise @error is set and the lease is still the
 *   caller's, to be released when the work has ended
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_lease_release_after(GstCudaCamLease *lease,
                                                           gpointer cuda_stream, GError **error);

/**
 * gst_cuda_cam_lease_wait_on_stream:
 * @lease: a lease
 * @cuda_stream: (nullable): as for gst_cuda_cam_lease_release_after()
 * @error: (nullable): location for %GST_CUDA_CAM_LEASE_ERROR_RELEASED, or for a
 *   #GST_RESOURCE_ERROR_SYNC that names the CUDA call and its error
 *
 * Work that is queued on @cuda_stream from now on finds the frame complete. The GPU waits, the
 * calling thread does not. To be called before a frame in CUDA memory is read on the GPU; does
 * nothing for frames that are complete, as those in system memory are.
 *
 * Returns: whether it is so; otherwise @error is set
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_lease_wait_on_stream(GstCudaCamLease *lease,
                                                            gpointer cuda_stream, GError **error);

/**
 * gst_cuda_cam_lease_wait:
 * @lease: a lease
 * @error: (nullable): location for %GST_CUDA_CAM_LEASE_ERROR_RELEASED, or for a
 *   #GST_RESOURCE_ERROR_SYNC that names the CUDA call and its error
 *
 * Blocks the calling thread until the frame is complete. For those who read it on a GPU on streams
 * that they cannot name; gst_video_frame_map() without %GST_MAP_CUDA needs no wait.
 *
 * Returns: whether the frame is complete; otherwise @error is set
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_lease_wait(GstCudaCamLease *lease, GError **error);

/**
 * gst_cuda_cam_lease_get_buffer:
 * @lease: a lease
 *
 * Map it with gst_video_frame_map() and %GST_MAP_READ for pixels in system memory, or with
 * %GST_MAP_READ | GST_MAP_CUDA for a device pointer. Never write to it. A reference to the buffer
 * that outlives the lease keeps the frame's slot from being reused.
 *
 * Returns: (transfer none) (nullable): the frame, or %NULL when @lease was released
 */
GST_CUDA_CAM_API GstBuffer *gst_cuda_cam_lease_get_buffer(GstCudaCamLease *lease);

/**
 * gst_cuda_cam_lease_get_caps:
 * @lease: a lease
 *
 * Returns: (transfer none) (nullable): format and size of the frame, or %NULL when @lease was
 *   released
 */
GST_CUDA_CAM_API GstCaps *gst_cuda_cam_lease_get_caps(GstCudaCamLease *lease);

/**
 * gst_cuda_cam_lease_get_frame_meta:
 * @lease: a lease
 *
 * What it returns is part of the buffer: bindings must copy what they want to keep longer than
 * @lease.
 *
 * Returns: (transfer none) (nullable): camera, connection, generation, sequence and capture time,
 * or %NULL when @lease was released or no cudacampool is in the pipeline
 */
GST_CUDA_CAM_API const GstCudaCamFrameMeta *gst_cuda_cam_lease_get_frame_meta(
    GstCudaCamLease *lease);

/**
 * gst_cuda_cam_lease_get_holder:
 * @lease: a lease
 *
 * Returns: (transfer none): name of the holder, valid until the last reference is gone
 */
GST_CUDA_CAM_API const gchar *gst_cuda_cam_lease_get_holder(GstCudaCamLease *lease);

/**
 * GstCudaCamPlane:
 * @address: first byte: a pointer, or a CUdeviceptr of the frame's context when @on_gpu
 * @pitch: bytes from one row to the next
 * @row_bytes: bytes of a row that hold the picture
 * @rows: how many rows
 * @on_gpu: whether @address is a device pointer
 *
 * One plane of a frame; NV12 has two, of bytes of Y and of pairs of U and V.
 *
 * Since: 0.1
 */
typedef struct {
  guint64 address;
  guint64 pitch;
  guint64 row_bytes;
  guint rows;
  gboolean on_gpu;

  /*< private >*/
  gpointer _reserved[4];
} GstCudaCamPlane;

/**
 * gst_cuda_cam_lease_get_plane:
 * @lease: a lease
 * @index: which plane, from 0
 * @plane: (out caller-allocates): where it lies
 *
 * The pixels without GStreamer: to read, never to write, until @lease is released. Takes no GPU
 * work and does not wait: with @plane->on_gpu, call gst_cuda_cam_lease_wait_on_stream() before work
 * that reads them, or gst_cuda_cam_lease_wait().
 *
 * Returns: whether there is such a plane; %FALSE also when @lease was released or its caps are not
 *   `video/x-raw`
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_lease_get_plane(GstCudaCamLease *lease, guint index,
                                                       GstCudaCamPlane *plane);

/**
 * gst_cuda_cam_lease_is_revoked:
 * @lease: a lease
 *
 * Whether the lender has forgotten @lease, see the `revoke` signal of cudacamsink. The frame stays
 * valid and unchanged all the same until @lease is released: finish soon and release it. The answer
 * at the time of the release stays.
 *
 * Returns: whether @lease was revoked
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_lease_is_revoked(GstCudaCamLease *lease);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GstCudaCamLease, gst_cuda_cam_lease_unref)

G_END_DECLS
