// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/lender.h"

G_DEFINE_INTERFACE(GstCudaCamLender, gst_cuda_cam_lender, GST_TYPE_ELEMENT)

static void gst_cuda_cam_lender_default_init(GstCudaCamLenderInterface *) {
}

GQuark gst_cuda_cam_lease_error_quark(void) {
  static const GQuark quark = g_quark_from_static_string("gst-cuda-cam-lease-error-quark");
  return quark;
}

GstCudaCamLease *gst_cuda_cam_lender_acquire(GstCudaCamLender *lender, const gchar *holder,
                                             GstClockTime timeout, GError **error) {
  g_return_val_if_fail(GST_IS_CUDA_CAM_LENDER(lender), nullptr);
  g_return_val_if_fail(holder && *holder, nullptr);
  g_return_val_if_fail(!error || !*error, nullptr);
  return GST_CUDA_CAM_LENDER_GET_IFACE(lender)->acquire(lender, holder, timeout, error);
}
