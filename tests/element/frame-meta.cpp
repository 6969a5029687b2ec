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

GST_START_TEST(test_the_meta_follows_the_picture) {
  // A fence that waits for nothing.
  static const GstCudaCamFenceFuncs funcs{
      [](gpointer, GError **) -> gboolean { return TRUE; },
      [](gpointer, gpointer, GError **) -> gboolean { return TRUE; },
      [](gpointer, gpointer, GError **) -> gboolean { return TRUE; },
      nullptr,
      {}};
  auto *fence = gst_cuda_cam_fence_new(&funcs, nullptr);
  auto *frame = gst_buffer_new_allocate(nullptr, 16, nullptr);
  gst_cuda_cam_memory_set_fence(gst_buffer_peek_memory(frame, 0), fence);
  gst_buffer_add_cuda_cam_frame_meta(frame, "camera", 3, 2, 1, 4);
  fail_unless(gst_buffer_get_cuda_cam_frame_meta(frame)->fence == fence);

  const auto expect = [&](GstBuffer *copy, GstCudaCamFence *its) {
    const auto *meta = gst_buffer_get_cuda_cam_frame_meta(copy);
    fail_unless(meta != nullptr);
    fail_unless_equals_string(meta->camera, "camera");
    fail_unless_equals_uint64(meta->connection, 3);
    fail_unless_equals_uint64(meta->generation, 2);
    fail_unless_equals_uint64(meta->sequence, 1);
    fail_unless_equals_uint64(meta->capture_time, 4);
    fail_unless(meta->fence == its);
    gst_buffer_unref(copy);
  };
  expect(gst_buffer_copy(frame), fence);
  expect(gst_buffer_copy_deep(frame), nullptr);  // other bytes, which are complete
  auto *part = gst_buffer_copy_region(frame, GST_BUFFER_COPY_ALL, 0, 8);
  fail_unless(!gst_buffer_get_cuda_cam_frame_meta(part));     // another picture
  fail_unless(gst_cuda_cam_buffer_get_fence(part) == fence);  // of the same bytes
  gst_buffer_unref(part);
  auto *joined = gst_buffer_copy(frame);
  gst_buffer_append_memory(joined, gst_allocator_alloc(nullptr, 16, nullptr));
  fail_unless(!gst_cuda_cam_buffer_get_fence(joined));  // of which memory?
  gst_buffer_unref(joined);
  gst_buffer_unref(frame);
  gst_cuda_cam_fence_unref(fence);
}
GST_END_TEST

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
  TCase *copies = tcase_create("copies");
  tcase_add_test(copies, test_the_meta_follows_the_picture);
  suite_add_tcase(suite, copies);
  return suite;
}

GST_CHECK_MAIN(frame_meta)
