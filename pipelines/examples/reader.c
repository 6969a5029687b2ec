/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least that an application needs: reader PIPELINE FRAMES
 *
 *   reader 'cudacamsrc location=rtsp://camera/stream ! video/x-raw ! cudacampool !
 *           cudacamsink name=sink' 100
 *
 * prints the mean of the first plane of that many frames. They are in system memory, as
 * `video/x-raw` says. */
#include <gst/gst.h>
#include <gstcudacam.h>
#include <stdlib.h>

static double mean_of(const GstCudaCamPlane *plane) {
  const guint8 *row = (const guint8 *)GSIZE_TO_POINTER((gsize)plane->address);
  guint64 sum = 0;
  for (guint y = 0; y < plane->rows; y++, row += plane->pitch)
    for (guint64 x = 0; x < plane->row_bytes; x++) sum += row[x];
  return (double)sum / (double)(plane->row_bytes * plane->rows);
}

/* Reads one frame; FALSE when none will come any more. */
static gboolean read_frame(GstCudaCamLender *lender) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GstCudaCamLease) lease =
      gst_cuda_cam_lender_acquire(lender, "reader", 10 * GST_SECOND, &error);
  if (!lease) {
    g_printerr("%s\n", error->message);
    return FALSE;
  }
  GstCudaCamPlane plane;
  if (!gst_cuda_cam_lease_get_plane(lease, 0, &plane) || plane.on_gpu) {
    g_printerr("This program reads pixels in system memory: put video/x-raw before cudacampool.\n");
    return FALSE;
  }
  const GstCudaCamFrameMeta *meta = gst_cuda_cam_lease_get_frame_meta(lease);
  g_print("%s %" G_GUINT64_FORMAT ": %.1f\n", meta ? meta->camera : "?", meta ? meta->sequence : 0,
          mean_of(&plane));
  return TRUE;
} /* the lease ends here, and with it the frame */

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc != 3) {
    g_printerr("usage: reader PIPELINE FRAMES\n");
    return 2;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(GstElement) pipeline = gst_parse_launch(argv[1], &error);
  if (!pipeline) {
    g_printerr("%s\n", error->message);
    return 1;
  }
  g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  if (!sink || !GST_IS_CUDA_CAM_LENDER(sink)) {
    g_printerr("The pipeline needs a cudacamsink name=sink.\n");
    return 1;
  }
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  int left = atoi(argv[2]);
  while (left > 0 && read_frame(GST_CUDA_CAM_LENDER(sink))) left--;
  gst_element_set_state(pipeline, GST_STATE_NULL);
  return left ? 1 : 0;
}
