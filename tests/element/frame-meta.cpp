// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame/frame-meta.h"

#include <gst/check/gstcheck.h>

#include <thread>

namespace {

// Frames that come and go, as the streaming threads of cameras see them.
void come_and_go() {
  for (int i = 0; i < 20000; ++i) {
    GstBuffer *buffer = gst_buffer_new();
    gst_buffer_add_cuda_cam_frame_meta(buffer, "camera", 1, 1, 0, GST_CLOCK_TIME_NONE);
    gst_buffer_unref(buffer);
  }
}

}  // namespace

GST_START_TEST(test_cameras_add_metas_at_the_same_time) {
  std::thread other(come_and_go);
  come_and_go();
  other.join();
}
GST_END_TEST

static Suite *frame_meta_suite() {
  Suite *suite = suite_create("frame-meta");
  TCase *threads = tcase_create("threads");
  tcase_add_test(threads, test_cameras_add_metas_at_the_same_time);
  suite_add_tcase(suite, threads);
  return suite;
}

GST_CHECK_MAIN(frame_meta)
