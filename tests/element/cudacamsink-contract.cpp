// SPDX-License-Identifier: LGPL-2.1-or-later
/// What applications may expect of any sink, and of threads that meet in this one.
#include <future>
#include <string>
#include <vector>

#include "lease-bench.hpp"
#include "property-churn.hpp"

using namespace cudacam::test;

namespace {

struct PipelineStop {
  void operator()(GstElement *pipeline) const {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
};
using Pipeline = std::unique_ptr<GstElement, PipelineStop>;

/// A frame that tells when it dies.
GstBuffer *dying_frame(GDestroyNotify dies, gpointer data) {
  static guint8 pixels[16];
  return gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, pixels, sizeof pixels, 0,
                                     sizeof pixels, data, dies);
}

}  // namespace

GST_START_TEST(a_paused_pipeline_lends_the_frame_that_it_shows) {
  const Pipeline pipeline(gst_parse_launch(
      "videotestsrc num-buffers=2 ! cudacampool ! cudacamsink name=sink", nullptr));
  const auto sink = cudacam::adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink"));
  auto *lender = GST_CUDA_CAM_LENDER(sink.get());
  const HolderPtr every(
      gst_cuda_cam_holder_new(lender, "every", GST_CUDA_CAM_HOLDER_MODE_EVERY, 4, nullptr));
  const auto next = [&] {
    return LeasePtr(gst_cuda_cam_holder_acquire(every.get(), kLong, nullptr));
  };
  gst_element_set_state(pipeline.get(), GST_STATE_PAUSED);
  const auto shown = next();
  fail_unless(shown != nullptr);
  fail_unless_equals_uint64(gst_cuda_cam_lease_get_frame_meta(shown.get())->sequence, 0);

  // It is not a new frame when the pipeline goes on.
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const auto following = next();
  fail_unless_equals_uint64(gst_cuda_cam_lease_get_frame_meta(following.get())->sequence, 1);
  fail_unless_equals_uint64(number(sink.get(), "frames"), 2);
}
GST_END_TEST

GST_START_TEST(a_frame_that_was_shown_in_paused_is_not_kept_in_ready) {
  LeaseBench bench("cudacamsink");
  gst_element_set_state(bench.sink(), GST_STATE_PAUSED);
  bool died = false;
  auto *frame = dying_frame([](gpointer it) { *static_cast<bool *>(it) = true; }, &died);
  auto pushed =
      std::async(std::launch::async, [&] { return gst_harness_push(bench.harness(), frame); });
  auto lease = bench.acquire("reader", kLong);
  fail_unless(lease != nullptr);
  gst_element_set_state(bench.sink(), GST_STATE_READY);
  fail_unless_equals_int(pushed.get(), GST_FLOW_FLUSHING);
  fail_unless(!died);
  lease.reset();
  fail_unless(died);
}
GST_END_TEST

GST_START_TEST(a_sample_tells_its_running_time) {
  LeaseBench bench;
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = 5 * GST_SECOND;
  segment.base = 7 * GST_SECOND;
  gst_harness_push_event(bench.harness(), gst_event_new_segment(&segment));
  auto *frame = gst_harness_create_buffer(bench.harness(), 16);
  GST_BUFFER_PTS(frame) = 6 * GST_SECOND;
  gst_harness_push(bench.harness(), frame);
  GstSample *sample = nullptr;
  g_signal_emit_by_name(bench.sink(), "try-pull-sample", guint64{0}, &sample);
  fail_unless_equals_uint64(
      gst_segment_to_running_time(gst_sample_get_segment(sample), GST_FORMAT_TIME,
                                  GST_BUFFER_PTS(gst_sample_get_buffer(sample))),
      8 * GST_SECOND);
  gst_sample_unref(sample);
}
GST_END_TEST

GST_START_TEST(a_lease_counts_until_its_frame_is_let_go) {
  struct Seen {
    GstElement *sink;
    std::vector<guint64> outstanding;
  };
  LeaseBench bench("cudacamsink");
  Seen seen{bench.sink(), {}};
  gst_harness_push(bench.harness(), dying_frame(
                                        [](gpointer data) {
                                          auto &it = *static_cast<Seen *>(data);
                                          it.outstanding.push_back(number(it.sink, "outstanding"));
                                        },
                                        &seen));
  auto lease = bench.acquire("reader");
  bench.push(1);  // nobody but the reader has the first one now
  fail_unless(seen.outstanding.empty());
  lease.reset();
  fail_unless(seen.outstanding == std::vector<guint64>({1}));
  fail_unless_equals_uint64(number(bench.sink(), "outstanding"), 0);
}
GST_END_TEST

GST_START_TEST(neither_the_end_nor_a_flush_takes_a_lease_or_a_reader_away) {
  LeaseBench bench;
  bench.push(1);
  const auto lease = bench.acquire("holder");
  bench.acquire("reader");
  auto waiting = std::async(std::launch::async, [&] { return bench.acquire("reader", kLong); });
  await_waiting_reader(bench.sink());
  const auto still_there = [&] {
    return number(bench.sink(), "waiting") == 1 && number(bench.sink(), "outstanding") == 1;
  };
  gst_harness_push_event(bench.harness(), gst_event_new_eos());
  fail_unless(still_there());
  gst_harness_push_event(bench.harness(), gst_event_new_flush_start());
  gst_harness_push_event(bench.harness(), gst_event_new_flush_stop(TRUE));
  fail_unless(still_there());
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(bench.harness(), gst_event_new_segment(&segment));
  for (guint8 i = 2; i < 20; ++i) bench.push(i);
  fail_unless(value(waiting.get()) >= 2);
  fail_unless_equals_int(value(lease), 1);
}
GST_END_TEST

GST_START_TEST(a_revoked_lease_outlives_the_sink) {
  LeasePtr lease;
  {
    LeaseBench bench;
    bench.push(1);
    lease = bench.acquire("holder");
    bench.revoke("holder");
  }
  fail_unless(gst_cuda_cam_lease_is_revoked(lease.get()));
  fail_unless_equals_int(value(lease), 1);
  gst_cuda_cam_lease_release(lease.get());
  fail_unless(gst_cuda_cam_lease_is_revoked(lease.get()));
}
GST_END_TEST

GST_START_TEST(a_frame_without_caps_is_refused) {
  auto *harness = gst_harness_new("cudacamsink");
  gst_harness_play(harness);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness, gst_event_new_stream_start("camera"));
  gst_harness_push_event(harness, gst_event_new_segment(&segment));
  fail_unless_equals_int(gst_harness_push(harness, gst_buffer_new_allocate(nullptr, 16, nullptr)),
                         GST_FLOW_NOT_NEGOTIATED);
  gst_harness_teardown(harness);
}
GST_END_TEST

GST_START_TEST(properties_that_threads_set_at_once_all_hold) {
  LeaseBench bench;
  check_properties_set_at_once(G_OBJECT(bench.sink()), "statistics-interval", "drain-timeout");
}
GST_END_TEST

GST_START_TEST(a_holder_object_is_remembered_whoever_else_comes) {
  LeaseBench bench;
  const HolderPtr holder(gst_cuda_cam_holder_new(GST_CUDA_CAM_LENDER(bench.sink()), "detector",
                                                 GST_CUDA_CAM_HOLDER_MODE_LATEST, 4, nullptr));
  const auto next = [&] { return LeasePtr(gst_cuda_cam_holder_acquire(holder.get(), 0, nullptr)); };
  bench.push(1);
  bench.push(2);
  fail_unless_equals_int(value(next()), 2);  // it has no queue, whatever size that would be
  for (int i = 0; i < 300; ++i) bench.acquire(std::to_string(i).c_str());
  fail_unless(!next());  // it has had this frame
  fail_unless_equals_uint64(holder_number(bench.sink(), "detector", "taken"), 1);
}
GST_END_TEST

GST_START_TEST(rows_of_packed_pixels_are_as_long_as_the_pitch) {
  LeaseBench bench;
  gst_harness_set_src_caps_str(bench.harness(),
                               "video/x-raw,format=v210,width=48,height=2,framerate=30/1");
  gst_harness_push(bench.harness(), gst_harness_create_buffer(bench.harness(), 256));
  GstCudaCamPlane plane{};
  fail_unless(gst_cuda_cam_lease_get_plane(bench.acquire("reader").get(), 0, &plane));
  fail_unless_equals_uint64(plane.pitch, 128);
  fail_unless_equals_uint64(plane.row_bytes, 128);
  fail_unless_equals_int(plane.rows, 2);
}
GST_END_TEST

GST_START_TEST(times_may_be_endless) {
  LeaseBench bench("cudacampool ! cudacamsink statistics-interval=18446744073709551615");
  int notified = 0;
  g_signal_connect(bench.sink(), "notify::statistics",
                   G_CALLBACK(+[](GObject *, GParamSpec *, int *count) { ++*count; }), &notified);
  for (guint8 i = 0; i < 3; ++i) bench.push(i);
  fail_unless_equals_int(notified, 1);

  g_object_set(bench.sink(), "lease-timeout", GST_CLOCK_TIME_NONE, nullptr);
  auto lease = bench.acquire("reader", GST_CLOCK_TIME_NONE);
  // Lets time pass, in which a watch that is wrong would find the lease overdue.
  fail_unless(!flag(bench.drain(20 * GST_MSECOND), "drained"));
  fail_unless_equals_uint64(holder_number(bench.sink(), "reader", "overdue"), 0);

  auto draining = std::async(std::launch::async, [&] { return bench.drain(GST_CLOCK_TIME_NONE); });
  lease.reset();
  fail_unless(flag(draining.get(), "drained"));
}
GST_END_TEST

GST_START_TEST(a_sink_that_is_started_again_knows_no_camera) {
  LeaseBench bench;
  std::vector<guint64> back;
  g_signal_connect(bench.sink(), "camera-back",
                   G_CALLBACK(+[](GstElement *, const gchar *, guint64 connection,
                                  std::vector<guint64> *list) { list->push_back(connection); }),
                   &back);
  const auto deliver = [&] {
    gst_harness_push_event(bench.harness(),
                           gst_cuda_cam_event_new_camera("door", 1, TRUE, nullptr));
  };
  deliver();
  fail_unless_equals_uint64(number(bench.sink(), "connection"), 1);
  gst_element_set_state(bench.sink(), GST_STATE_READY);
  gst_element_set_state(bench.sink(), GST_STATE_PLAYING);
  fail_unless_equals_uint64(number(bench.sink(), "connection"), 0);
  fail_unless(!flag(statistics(bench.sink()), "streaming"));
  deliver();
  fail_unless(back == std::vector<guint64>({1, 1}));
}
GST_END_TEST

static Suite *cudacamsink_contract_suite() {
  auto *suite = suite_create("cudacamsink-contract");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_paused_pipeline_lends_the_frame_that_it_shows);
  tcase_add_test(tests, a_frame_that_was_shown_in_paused_is_not_kept_in_ready);
  tcase_add_test(tests, a_sample_tells_its_running_time);
  tcase_add_test(tests, a_lease_counts_until_its_frame_is_let_go);
  tcase_add_test(tests, neither_the_end_nor_a_flush_takes_a_lease_or_a_reader_away);
  tcase_add_test(tests, a_revoked_lease_outlives_the_sink);
  tcase_add_test(tests, a_frame_without_caps_is_refused);
  tcase_add_test(tests, properties_that_threads_set_at_once_all_hold);
  tcase_add_test(tests, a_holder_object_is_remembered_whoever_else_comes);
  tcase_add_test(tests, rows_of_packed_pixels_are_as_long_as_the_pitch);
  tcase_add_test(tests, times_may_be_endless);
  tcase_add_test(tests, a_sink_that_is_started_again_knows_no_camera);
  return suite;
}

GST_CHECK_MAIN(cudacamsink_contract)
