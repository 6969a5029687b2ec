/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include "lender.h"

G_BEGIN_DECLS

/**
 * GstCudaCamHolderMode:
 * @GST_CUDA_CAM_HOLDER_MODE_LATEST: each lease is on the newest frame that the holder has not seen;
 *   the ones between are skipped. What gst_cuda_cam_lender_acquire() does for a name that is not a
 *   #GstCudaCamHolder's.
 * @GST_CUDA_CAM_HOLDER_MODE_EVERY: frames wait for the holder in a queue; when it is full, the
 *   oldest is dropped and counted
 *
 * Which frames a holder gets.
 */
typedef enum {
  GST_CUDA_CAM_HOLDER_MODE_LATEST,
  GST_CUDA_CAM_HOLDER_MODE_EVERY,
} GstCudaCamHolderMode;

#define GST_TYPE_CUDA_CAM_HOLDER_MODE (gst_cuda_cam_holder_mode_get_type())
GST_CUDA_CAM_API GType gst_cuda_cam_holder_mode_get_type(void);

/**
 * GstCudaCamHolder:
 *
 * A named reader of one lender, for those who want more than gst_cuda_cam_lender_acquire() with a
 * name. It is remembered by the lender in every state, from gst_cuda_cam_holder_new() until its
 * last reference is gone, and keeps the lender alive.
 *
 * Reference-counted. All functions may be called from any thread; threads that share a holder share
 * its frames among them.
 *
 * Since: 0.1
 */
typedef struct _GstCudaCamHolder GstCudaCamHolder;

#define GST_TYPE_CUDA_CAM_HOLDER (gst_cuda_cam_holder_get_type())
GST_CUDA_CAM_API GType gst_cuda_cam_holder_get_type(void);

/**
 * gst_cuda_cam_holder_new:
 * @lender: (transfer none): an element that lends frames
 * @name: name of the holder, one of its kind on @lender
 * @mode: which frames it gets
 * @queue_size: how many frames wait for it with %GST_CUDA_CAM_HOLDER_MODE_EVERY, at least 1; each
 *   costs a slot of the pool upstream. Ignored with %GST_CUDA_CAM_HOLDER_MODE_LATEST.
 * @error: (nullable): location for %GST_CUDA_CAM_LEASE_ERROR_EXISTS
 *
 * Frames that are published from now on wait for the holder.
 *
 * Returns: (transfer full) (nullable): a holder, or %NULL with @error set
 */
GST_CUDA_CAM_API GstCudaCamHolder *gst_cuda_cam_holder_new(GstCudaCamLender *lender,
                                                           const gchar *name,
                                                           GstCudaCamHolderMode mode,
                                                           guint queue_size, GError **error);

/**
 * gst_cuda_cam_holder_ref:
 * @holder: a holder
 *
 * Returns: (transfer full): @holder
 */
GST_CUDA_CAM_API GstCudaCamHolder *gst_cuda_cam_holder_ref(GstCudaCamHolder *holder);

/**
 * gst_cuda_cam_holder_unref:
 * @holder: (transfer full): a holder; with its last reference its queue goes, its leases stay
 */
GST_CUDA_CAM_API void gst_cuda_cam_holder_unref(GstCudaCamHolder *holder);

/**
 * gst_cuda_cam_holder_acquire:
 * @holder: a holder
 * @timeout: how long to wait for a frame, as in gst_cuda_cam_lender_acquire()
 * @error: (nullable): location for a #GstCudaCamLeaseError
 *
 * Returns: (transfer full) (nullable): a lease, to be released as soon as the frame is read
 */
GST_CUDA_CAM_API GstCudaCamLease *gst_cuda_cam_holder_acquire(GstCudaCamHolder *holder,
                                                              GstClockTime timeout, GError **error);

/**
 * gst_cuda_cam_holder_get_name:
 * @holder: a holder
 *
 * Returns: (transfer none): its name, valid as long as @holder
 */
GST_CUDA_CAM_API const gchar *gst_cuda_cam_holder_get_name(GstCudaCamHolder *holder);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GstCudaCamHolder, gst_cuda_cam_holder_unref)

G_END_DECLS
