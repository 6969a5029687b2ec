/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include "export.h"

G_BEGIN_DECLS

/**
 * GstCudaCamFence:
 *
 * Orders work on a GPU around one slot of a cudacampool: readers' work comes after the work that
 * writes the frame, and the work that writes the next frame comes after the readers'. The GPU
 * waits, no thread does, unless gst_cuda_cam_fence_wait() is asked.
 *
 * A frame in CUDA memory that a cudacampool passes on has one, see #GstCudaCamFrameMeta. A frame in
 * system memory has none: it is complete, and nothing on a GPU is ever ordered by it.
 *
 * It belongs to the slot, not to one frame: use it only while a buffer, a memory or a lease keeps
 * the frame. Reference-counted. All functions may be called from any thread.
 *
 * A CUDA stream is a `CUstream` of the driver API or a `cudaStream_t` of the runtime API, which are
 * the same thing, of any context and any device; %NULL is the default stream of the calling
 * thread's current context.
 *
 * Since: 0.1
 */
typedef struct _GstCudaCamFence GstCudaCamFence;

#define GST_TYPE_CUDA_CAM_FENCE (gst_cuda_cam_fence_get_type())
GST_CUDA_CAM_API GType gst_cuda_cam_fence_get_type(void);

/**
 * GstCudaCamFenceFuncs: (skip)
 * @wait: see gst_cuda_cam_fence_wait()
 * @wait_on_stream: see gst_cuda_cam_fence_wait_on_stream()
 * @add_reader: see gst_cuda_cam_fence_add_reader()
 * @free: (nullable): called with the last reference
 *
 * What a fence is made of, for elements that own frames. Any thread.
 *
 * Since: 0.1
 */
typedef struct {
  gboolean (*wait)(gpointer user_data, GError **error);
  gboolean (*wait_on_stream)(gpointer user_data, gpointer cuda_stream, GError **error);
  gboolean (*add_reader)(gpointer user_data, gpointer cuda_stream, GError **error);
  void (*free)(gpointer user_data);

  /*< private >*/
  gpointer _reserved[4];
} GstCudaCamFenceFuncs;

/**
 * gst_cuda_cam_fence_new: (skip)
 * @funcs: (transfer none): outlives the fence
 * @user_data: for @funcs
 *
 * Returns: (transfer full): a fence
 */
GST_CUDA_CAM_API GstCudaCamFence *gst_cuda_cam_fence_new(const GstCudaCamFenceFuncs *funcs,
                                                         gpointer user_data);

/**
 * gst_cuda_cam_fence_ref:
 * @fence: a fence
 *
 * Returns: (transfer full): @fence
 */
GST_CUDA_CAM_API GstCudaCamFence *gst_cuda_cam_fence_ref(GstCudaCamFence *fence);

/**
 * gst_cuda_cam_fence_unref:
 * @fence: (transfer full): a fence
 */
GST_CUDA_CAM_API void gst_cuda_cam_fence_unref(GstCudaCamFence *fence);

/**
 * gst_cuda_cam_fence_wait:
 * @fence: the fence of a frame that the caller keeps
 * @error: (nullable): location for a #GST_RESOURCE_ERROR_SYNC that names the CUDA call and its
 * error
 *
 * Blocks the calling thread until the frame is complete; returns at once when it is.
 *
 * Returns: whether the frame is complete; otherwise @error is set
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_fence_wait(GstCudaCamFence *fence, GError **error);

/**
 * gst_cuda_cam_fence_wait_on_stream:
 * @fence: the fence of a frame that the caller keeps
 * @cuda_stream: (nullable): a CUDA stream
 * @error: (nullable): location for a #GST_RESOURCE_ERROR_SYNC that names the CUDA call and its
 * error
 *
 * Work that is queued on @cuda_stream from now on finds the frame complete. The GPU waits, the
 * calling thread does not.
 *
 * Returns: whether it is so; otherwise @error is set
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_fence_wait_on_stream(GstCudaCamFence *fence,
                                                            gpointer cuda_stream, GError **error);

/**
 * gst_cuda_cam_fence_add_reader:
 * @fence: the fence of a frame that the caller keeps
 * @cuda_stream: (nullable): a CUDA stream
 * @error: (nullable): location for a #GST_RESOURCE_ERROR_SYNC that names the CUDA call and its
 * error
 *
 * The frame's slot is not written again before all work that was queued on @cuda_stream up to now
 * has ended, also when the caller lets go of the frame at once. May be called for several streams,
 * and again for the same one.
 *
 * Returns: whether it is so; otherwise @error is set, and the caller must keep the frame until its
 *   work has ended
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_fence_add_reader(GstCudaCamFence *fence,
                                                        gpointer cuda_stream, GError **error);

/**
 * gst_cuda_cam_memory_set_fence: (skip)
 * @memory: (transfer none): memory that has none
 * @fence: (transfer none): a fence, which the memory keeps as long as it lives
 *
 * For elements that own frames.
 */
GST_CUDA_CAM_API void gst_cuda_cam_memory_set_fence(GstMemory *memory, GstCudaCamFence *fence);

/**
 * gst_cuda_cam_buffer_get_fence:
 * @buffer: (transfer none): a buffer
 *
 * Returns: (transfer none) (nullable): the fence of the memory that @buffer's bytes lie in, valid
 *   as long as that memory, or %NULL when it has none
 */
GST_CUDA_CAM_API GstCudaCamFence *gst_cuda_cam_buffer_get_fence(GstBuffer *buffer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GstCudaCamFence, gst_cuda_cam_fence_unref)

G_END_DECLS
