/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an application does, in C and with nothing but the installed files: one lease. */
#include <gstcudacam.h>

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_autoptr(GError) error = NULL;
  g_autoptr(GstElement) pipeline =
      gst_parse_launch("videotestsrc ! cudacampool ! cudacamsink name=sink", &error);
  if (error) g_error("%s", error->message);
  g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);

  g_autoptr(GstCudaCamLease) lease = gst_cuda_cam_lender_acquire(
      GST_CUDA_CAM_LENDER(sink), "detector", GST_CLOCK_TIME_NONE, &error);
  if (!lease) g_error("%s", error->message);
  const GstCudaCamFrameMeta *meta = gst_cuda_cam_lease_get_frame_meta(lease);
  gst_element_set_state(pipeline, GST_STATE_NULL);

  if (!meta || !GST_IS_BUFFER(gst_cuda_cam_lease_get_buffer(lease)))
    g_error("a lease without a frame");
  g_print("frame %" G_GUINT64_FORMAT " of %s\n", meta->sequence, meta->camera);
  return 0;
}
