// SPDX-License-Identifier: LGPL-2.1-or-later
/// Readers tell the connections of any source apart, by the number in the frame meta.
#include <mutex>
#include <vector>

#include "lease-bench.hpp"

using namespace cudacam::test;

namespace {

constexpr const char *kPipeline =
    "cudacampool slots=4 ! cudacamsink reconnect-mode=state name=sink";

/// Connections as `camera-back` tells them.
struct Back {
  std::mutex mutex;
  std::vector<guint64> connections;

  explicit Back(GstElement *sink) { g_signal_connect(sink, "camera-back", G_CALLBACK(note), this); }
  static void note(GstElement *, const gchar *, guint64 connection, Back *self) {
    std::lock_guard lock(self->mutex);
    self->connections.push_back(connection);
  }
};

guint64 connection(const LeasePtr &lease) {
  return gst_cuda_cam_lease_get_frame_meta(lease.get())->connection;
}

void begin_stream(LeaseBench &bench, GstEvent *stream_start) {
  fail_unless(gst_harness_push_event(bench.harness(), stream_start));
  auto *caps = gst_caps_from_string(kCaps);
  fail_unless(gst_harness_push_event(bench.harness(), gst_event_new_caps(caps)));
  gst_caps_unref(caps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  fail_unless(gst_harness_push_event(bench.harness(), gst_event_new_segment(&segment)));
}

}  // namespace

GST_START_TEST(each_stream_of_a_foreign_source_is_a_connection) {
  LeaseBench bench(kPipeline);
  Back back(bench.sink());
  bench.push(1);
  bench.push(2);
  fail_unless_equals_uint64(connection(bench.acquire("a")), 1);

  fail_unless(gst_harness_push_event(bench.harness(), gst_event_new_flush_start()));
  fail_unless(gst_harness_push_event(bench.harness(), gst_event_new_flush_stop(TRUE)));
  auto *two = gst_event_new_stream_start("second");
  begin_stream(bench, gst_event_ref(two));
  bench.push(3);
  fail_unless_equals_uint64(connection(bench.acquire("a")), 2);

  begin_stream(bench, two);  // told again, as after a link was made anew
  bench.push(4);
  fail_unless_equals_uint64(connection(bench.acquire("a")), 2);

  // Streams without a frame are no connections.
  begin_stream(bench, gst_event_new_stream_start("third"));
  begin_stream(bench, gst_event_new_stream_start("fourth"));
  bench.push(5);
  fail_unless_equals_uint64(connection(bench.acquire("a")), 3);
  const std::vector<guint64> told{1, 2, 3};
  fail_unless(back.connections == told);
  fail_unless_equals_uint64(number(bench.sink(), "connection"), 3);
}
GST_END_TEST

GST_START_TEST(a_cudacamsrc_that_tells_is_believed) {
  LeaseBench bench(kPipeline);
  Back back(bench.sink());
  fail_unless(gst_harness_push_event(bench.harness(),
                                     gst_cuda_cam_event_new_camera("door", 7, TRUE, nullptr)));
  bench.push(1);
  begin_stream(bench, gst_event_new_stream_start("another"));
  bench.push(2);
  fail_unless_equals_uint64(connection(bench.acquire("a")), 7);
  const std::vector<guint64> told{7};
  fail_unless(back.connections == told);
}
GST_END_TEST

GST_START_TEST(a_restarted_source_counts) {
  auto *pipeline = gst_parse_launch(
      "videotestsrc is-live=true ! video/x-raw,format=GRAY8,width=16,height=16 ! cudacampool ! "
      "tee name=t ! queue ! cudacamsink name=sink reconnect-mode=state t. ! queue ! "
      "cudacamsink name=other",
      nullptr);
  fail_unless(pipeline != nullptr);
  auto *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  auto *other = gst_bin_get_by_name(GST_BIN(pipeline), "other");
  fail_unless(gst_element_set_state(pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);
  const auto next = [](GstElement *lender) {
    LeasePtr lease(gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(lender), "reader",
                                               60 * GST_SECOND, nullptr));
    fail_unless(lease != nullptr);
    return connection(lease);
  };
  fail_unless_equals_uint64(next(sink), 1);
  fail_unless_equals_uint64(next(other), 1);
  gboolean asked = FALSE;
  g_signal_emit_by_name(sink, "reconnect", &asked);
  fail_unless(asked);
  guint64 seen = 0;
  while ((seen = next(sink)) == 1) {
  }
  fail_unless_equals_uint64(seen, 2);
  while (next(other) == 1) {  // a sink behind the same pool says the same
  }
  fail_unless_equals_uint64(number(sink, "connection"), 2);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(sink);
  gst_object_unref(other);
  gst_object_unref(pipeline);
}
GST_END_TEST

static Suite *connections_suite() {
  auto *suite = suite_create("connections");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, each_stream_of_a_foreign_source_is_a_connection);
  tcase_add_test(tests, a_cudacamsrc_that_tells_is_believed);
  tcase_add_test(tests, a_restarted_source_counts);
  return suite;
}

GST_CHECK_MAIN(connections)
