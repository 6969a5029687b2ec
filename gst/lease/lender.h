/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include "lease.h"

G_BEGIN_DECLS

/**
 * GST_CUDA_CAM_LEASE_ERROR:
 *
 * Domain of the errors of leases and holders.
 */
#define GST_CUDA_CAM_LEASE_ERROR (gst_cuda_cam_lease_error_quark())
GST_CUDA_CAM_API GQuark gst_cuda_cam_lease_error_quark(void);

/**
 * GstCudaCamLeaseError:
 * @GST_CUDA_CAM_LEASE_ERROR_TIMEOUT: no new frame in time; try again
 * @GST_CUDA_CAM_LEASE_ERROR_DRAINING: a drain is under way and did not end within the timeout, or
 * it waits for leases of this very holder: release them, then try again
 * @GST_CUDA_CAM_LEASE_ERROR_STOPPED: the element is not running (state NULL or READY); no frame
 * will come before it is started
 * @GST_CUDA_CAM_LEASE_ERROR_LIMIT: the holder has as many leases as the element's `max-leases`
 * allows: release one, then try again
 * @GST_CUDA_CAM_LEASE_ERROR_EXISTS: a #GstCudaCamHolder of this name exists already
 * @GST_CUDA_CAM_LEASE_ERROR_RELEASED: the lease was released
 *
 * Why a lease or a holder was not given, or a lease is of no use.
 */
typedef enum {
  GST_CUDA_CAM_LEASE_ERROR_TIMEOUT,
  GST_CUDA_CAM_LEASE_ERROR_DRAINING,
  GST_CUDA_CAM_LEASE_ERROR_STOPPED,
  GST_CUDA_CAM_LEASE_ERROR_LIMIT,
  GST_CUDA_CAM_LEASE_ERROR_EXISTS,
  GST_CUDA_CAM_LEASE_ERROR_RELEASED,
} GstCudaCamLeaseError;

/**
 * GstCudaCamLender:
 *
 * Interface of elements that lend frames; cudacamsink implements it. An application gets it by
 * casting the element: `GST_CUDA_CAM_LENDER (gst_bin_get_by_name (bin, "sink"))`.
 *
 * Since: 0.1
 */
#define GST_TYPE_CUDA_CAM_LENDER (gst_cuda_cam_lender_get_type())
GST_CUDA_CAM_API GType gst_cuda_cam_lender_get_type(void);
typedef struct _GstCudaCamLender GstCudaCamLender;
typedef struct _GstCudaCamLenderInterface GstCudaCamLenderInterface;
#define GST_CUDA_CAM_LENDER(obj) \
  (G_TYPE_CHECK_INSTANCE_CAST((obj), GST_TYPE_CUDA_CAM_LENDER, GstCudaCamLender))
#define GST_IS_CUDA_CAM_LENDER(obj) (G_TYPE_CHECK_INSTANCE_TYPE((obj), GST_TYPE_CUDA_CAM_LENDER))
#define GST_CUDA_CAM_LENDER_GET_IFACE(obj) \
  (G_TYPE_INSTANCE_GET_INTERFACE((obj), GST_TYPE_CUDA_CAM_LENDER, GstCudaCamLenderInterface))

/**
 * GstCudaCamLenderInterface:
 * @parent: parent
 * @acquire: see gst_cuda_cam_lender_acquire()
 * @add_holder: a holder of this name exists from now on, with a queue of so many frames (0: the
 *   newest frame only); %FALSE with @error set when there is one already
 * @remove_holder: that holder is gone; what is queued for it goes, its leases stay
 */
struct _GstCudaCamLenderInterface {
  GTypeInterface parent;

  GstCudaCamLease *(*acquire)(GstCudaCamLender *lender, const gchar *holder, GstClockTime timeout,
                              GError **error);
  gboolean (*add_holder)(GstCudaCamLender *lender, const gchar *holder, guint queue_size,
                         GError **error);
  void (*remove_holder)(GstCudaCamLender *lender, const gchar *holder);

  /*< private >*/
  gpointer _reserved[6];
};

/**
 * gst_cuda_cam_lender_acquire:
 * @lender: an element that lends frames
 * @holder: name of the reader, for statistics and for "the newest frame that this holder has not
 *   seen"; threads that share a name share the frames among them
 * @timeout: how long to wait for a frame, in nanoseconds; 0 does not wait, %GST_CLOCK_TIME_NONE
 *   waits for ever (until the element is stopped or drained; EOS is no end, for the source may be
 *   restarted)
 * @error: (nullable): location for a #GstCudaCamLeaseError
 *
 * Takes a lease on the newest frame that @holder has not taken before, or on the next one of its
 * queue when there is a #GstCudaCamHolder of this name with one. Any thread; several threads may
 * wait at once. Publishing is never blocked by readers.
 *
 * Returns: (transfer full) (nullable): a lease, to be released as soon as the frame is read
 */
GST_CUDA_CAM_API GstCudaCamLease *gst_cuda_cam_lender_acquire(GstCudaCamLender *lender,
                                                              const gchar *holder,
                                                              GstClockTime timeout, GError **error);

G_END_DECLS
