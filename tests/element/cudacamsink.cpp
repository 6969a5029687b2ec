// SPDX-License-Identifier: LGPL-2.1-or-later
/// cudacamsink and the lease API of libgstcudacam.
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "lease-bench.hpp"

using namespace cudacam::test;
using Bench = LeaseBench;

GST_START_TEST(lends_the_newest_frame_with_caps_and_meta) {
  Bench bench;
  bench.push(1);
  bench.push(2);
  const auto lease = bench.acquire("reader");
  fail_unless_equals_int(value(lease), 2);
  fail_unless_equals_string(gst_cuda_cam_lease_get_holder(lease.get()), "reader");
  fail_unless_equals_uint64(gst_cuda_cam_lease_get_frame_meta(lease.get())->sequence, 1);
  auto *expected = gst_caps_from_string(kCaps);
  fail_unless(gst_caps_can_intersect(gst_cuda_cam_lease_get_caps(lease.get()), expected));
  gst_caps_unref(expected);
}
GST_END_TEST

GST_START_TEST(a_lease_keeps_its_pixels) {
  Bench bench;
  bench.push(1);
  const auto lease = bench.acquire("reader");
  for (guint8 i = 2; i < 100; ++i) bench.push(i);
  fail_unless_equals_int(value(lease), 1);
}
GST_END_TEST

GST_START_TEST(says_why_there_is_no_lease) {
  Bench bench;
  GError *error = nullptr;
  fail_unless(!bench.acquire("reader", 0, &error));
  fail_unless(g_error_matches(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_TIMEOUT));
  g_clear_error(&error);
  gst_element_set_state(bench.sink(), GST_STATE_READY);
  fail_unless(!bench.acquire("reader", kLong, &error));
  fail_unless(g_error_matches(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_STOPPED));
  g_clear_error(&error);
}
GST_END_TEST

GST_START_TEST(a_waiting_reader_gets_the_next_frame) {
  Bench bench;
  auto waiting = std::async(std::launch::async, [&] { return bench.acquire("reader", kLong); });
  await_waiting_reader(bench.sink());
  bench.push(5);
  fail_unless_equals_int(value(waiting.get()), 5);
}
GST_END_TEST

GST_START_TEST(stopping_wakes_a_waiting_reader) {
  Bench bench;
  GError *error = nullptr;
  auto waiting = std::async(std::launch::async,
                            [&] { return bench.acquire("reader", GST_CLOCK_TIME_NONE, &error); });
  await_waiting_reader(bench.sink());
  gst_element_set_state(bench.sink(), GST_STATE_NULL);
  fail_unless(!waiting.get());
  fail_unless(g_error_matches(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_STOPPED));
  g_clear_error(&error);
}
GST_END_TEST

GST_START_TEST(releasing_returns_the_frame_though_references_remain) {
  Bench bench;
  bench.push(1);
  const auto lease = bench.acquire("reader");
  const LeasePtr other(gst_cuda_cam_lease_ref(lease.get()));
  gst_cuda_cam_lease_release(lease.get());
  fail_unless_equals_uint64(number(bench.sink(), "outstanding"), 0);
  fail_unless(!gst_cuda_cam_lease_get_buffer(other.get()));
  fail_unless(!gst_cuda_cam_lease_get_caps(other.get()));
  gst_cuda_cam_lease_release(other.get());
  fail_unless_equals_uint64(number(bench.sink(), "released"), 1);
}
GST_END_TEST

GST_START_TEST(drain_answers_who_still_holds_what) {
  Bench bench;
  bench.push(1);
  auto lease = bench.acquire("slow");
  auto answer = bench.drain(0);
  fail_unless(!flag(answer, "drained"));
  guint leases = 0;
  fail_unless(gst_structure_get_uint(holder_row(answer, "slow").get(), "leases", &leases));
  fail_unless_equals_int(leases, 1);

  auto draining = std::async(std::launch::async, [&] { return bench.drain(kLong); });
  lease.reset();
  fail_unless(flag(draining.get(), "drained"));
  bench.push(2);
  fail_unless_equals_int(value(bench.acquire("slow")), 2);
}
GST_END_TEST

GST_START_TEST(reconnect_asks_upstream) {
  Bench bench;
  gboolean taken = FALSE;
  while (GstEvent *event = gst_harness_try_pull_upstream_event(bench.harness()))
    gst_event_unref(event);
  g_signal_emit_by_name(bench.sink(), "reconnect", &taken);
  auto *event = gst_harness_pull_upstream_event(bench.harness());
  const gchar *reason = nullptr;
  fail_unless(gst_cuda_cam_event_parse_reconnect(event, &reason));
  fail_unless(g_str_has_prefix(reason, "asked by "));
  gst_event_unref(event);
}
GST_END_TEST

GST_START_TEST(statistics_are_notified_as_frames_arrive) {
  Bench bench("cudacampool ! cudacamsink statistics-interval=1");
  int notified = 0;
  g_signal_connect(bench.sink(), "notify::statistics",
                   G_CALLBACK(+[](GObject *, GParamSpec *, int *count) { ++*count; }), &notified);
  for (guint8 i = 0; i < 3; ++i) bench.push(i);
  fail_unless_equals_int(notified, 3);
  fail_unless_equals_uint64(number(bench.sink(), "frames"), 3);
}
GST_END_TEST

GST_START_TEST(warns_once_of_frames_without_a_pool) {
  Bench bench("cudacamsink");
  auto *bus = gst_bus_new();
  gst_element_set_bus(bench.sink(), bus);
  for (guint8 i = 0; i < 3; ++i) bench.push(i);
  auto *warning = gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING);
  fail_unless(warning != nullptr);
  gst_message_unref(warning);
  fail_unless(!gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING));
  fail_unless_equals_int(value(bench.acquire("reader")), 2);
  gst_element_set_bus(bench.sink(), nullptr);
  gst_object_unref(bus);
}
GST_END_TEST

GST_START_TEST(keeps_no_last_sample_and_never_waits) {
  auto *sink = gst_check_setup_element("cudacamsink");  // as it is made: a harness would set these
  gboolean last_sample = TRUE, sync = TRUE, async = TRUE;
  g_object_get(sink, "enable-last-sample", &last_sample, "sync", &sync, "async", &async, nullptr);
  fail_unless(!last_sample && !sync && !async);
  gst_check_teardown_element(sink);
}
GST_END_TEST

GST_START_TEST(leases_outlive_the_pipeline_and_are_released_in_any_order) {
  std::vector<LeasePtr> leases;
  {
    Bench bench;
    for (guint8 i = 0; i < 3; ++i) {
      bench.push(i);
      leases.push_back(bench.acquire("reader"));
    }
  }
  fail_unless_equals_int(value(leases[1]), 1);
  std::thread([lease = std::move(leases[1])]() mutable { lease.reset(); }).join();
  fail_unless_equals_int(value(leases[2]), 2);
  leases[2].reset();
  fail_unless_equals_int(value(leases[0]), 0);
}
GST_END_TEST

GST_START_TEST(readers_and_state_churn) {
  Bench bench;
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i)
    readers.emplace_back([&, name = "reader" + std::to_string(i)] {
      while (!done) {
        const auto lease = bench.acquire(name.c_str(), GST_MSECOND);
        if (lease)
          fail_unless(value(lease) ==
                      gst_cuda_cam_lease_get_frame_meta(lease.get())->sequence % 256);
      }
    });
  for (int round = 0; round < 100; ++round) {
    gst_element_set_state(bench.harness()->element, GST_STATE_NULL);
    gst_element_set_state(bench.harness()->element, GST_STATE_PLAYING);
    gst_harness_set_src_caps_str(bench.harness(), kCaps);
    for (guint8 i = 0; i < 20; ++i) bench.push(i);
  }
  done = true;
  for (auto &reader : readers) reader.join();
}
GST_END_TEST

static Suite *cudacamsink_suite() {
  auto *suite = suite_create("cudacamsink");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, lends_the_newest_frame_with_caps_and_meta);
  tcase_add_test(tests, a_lease_keeps_its_pixels);
  tcase_add_test(tests, says_why_there_is_no_lease);
  tcase_add_test(tests, a_waiting_reader_gets_the_next_frame);
  tcase_add_test(tests, stopping_wakes_a_waiting_reader);
  tcase_add_test(tests, releasing_returns_the_frame_though_references_remain);
  tcase_add_test(tests, drain_answers_who_still_holds_what);
  tcase_add_test(tests, reconnect_asks_upstream);
  tcase_add_test(tests, statistics_are_notified_as_frames_arrive);
  tcase_add_test(tests, warns_once_of_frames_without_a_pool);
  tcase_add_test(tests, keeps_no_last_sample_and_never_waits);
  tcase_add_test(tests, leases_outlive_the_pipeline_and_are_released_in_any_order);
  tcase_add_test(tests, readers_and_state_churn);
  return suite;
}

GST_CHECK_MAIN(cudacamsink)
