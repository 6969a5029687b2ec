// SPDX-License-Identifier: LGPL-2.1-or-later
/// Several readers: limits, queues, holders of many names, sinks that share a pool.
#include <chrono>
#include <thread>
#include <vector>

#include "lease-bench.hpp"

using namespace cudacam::test;
using cudacam::StructurePtr;

GST_START_TEST(a_holder_cannot_take_more_than_max_leases) {
  LeaseBench bench("cudacampool slots=4 ! cudacamsink max-leases=1");
  bench.push(1);
  auto lease = bench.acquire("greedy");
  bench.push(2);
  GError *error = nullptr;
  fail_unless(!bench.acquire("greedy", kLong, &error));
  expect_error(error, GST_CUDA_CAM_LEASE_ERROR_LIMIT);
  fail_unless_equals_int(value(bench.acquire("modest")), 2);
  lease.reset();
  fail_unless_equals_int(value(bench.acquire("greedy")), 2);
  g_object_set(bench.sink(), "max-leases", 2u, nullptr);
  const auto one = bench.acquire("other");
  bench.push(3);
  fail_unless(bench.acquire("other") != nullptr);
}
GST_END_TEST

GST_START_TEST(a_holder_with_a_queue_gets_every_frame) {
  LeaseBench bench("cudacampool slots=8 ! cudacamsink");
  const auto holder = bench.every("recorder", 3);
  fail_unless_equals_string(gst_cuda_cam_holder_get_name(holder.get()), "recorder");
  for (guint8 i = 0; i < 5; ++i) bench.push(i);
  for (guint8 i = 2; i < 5; ++i)
    fail_unless_equals_int(value(LeasePtr(gst_cuda_cam_holder_acquire(holder.get(), 0, nullptr))),
                           i);
  GError *error = nullptr;
  fail_unless(!gst_cuda_cam_holder_acquire(holder.get(), 0, &error));
  expect_error(error, GST_CUDA_CAM_LEASE_ERROR_TIMEOUT);
  fail_unless_equals_uint64(holder_number(bench.sink(), "recorder", "dropped"), 2);
  fail_unless_equals_uint64(holder_number(bench.sink(), "recorder", "taken"), 3);
}
GST_END_TEST

GST_START_TEST(a_holder_is_one_of_its_name_and_ends_with_its_last_reference) {
  LeaseBench bench("cudacampool slots=8 ! cudacamsink");
  auto holder = bench.every("recorder", 3);
  GError *error = nullptr;
  fail_unless(!bench.every("recorder", 1, &error));
  expect_error(error, GST_CUDA_CAM_LEASE_ERROR_EXISTS);
  HolderPtr other(gst_cuda_cam_holder_ref(holder.get()));
  holder.reset();
  for (guint8 i = 0; i < 3; ++i) bench.push(i);
  fail_unless_equals_int(value(bench.acquire("recorder")), 0);
  other.reset();
  bench.push(3);
  fail_unless_equals_int(value(bench.acquire("recorder")), 3);  // the newest, as without a holder
  fail_unless(bench.every("recorder", 1) != nullptr);
}
GST_END_TEST

GST_START_TEST(a_holder_outlives_states_and_the_owner_of_the_sink) {
  HolderPtr holder;
  {
    LeaseBench bench("cudacampool slots=8 ! cudacamsink");
    gst_element_set_state(bench.harness()->element, GST_STATE_NULL);
    holder = bench.every("recorder", 3);
    gst_element_set_state(bench.harness()->element, GST_STATE_PLAYING);
    gst_harness_set_src_caps_str(bench.harness(), kCaps);
    bench.push(1);
    bench.push(2);
    fail_unless_equals_int(value(LeasePtr(gst_cuda_cam_holder_acquire(holder.get(), 0, nullptr))),
                           1);
  }
  GError *error = nullptr;
  fail_unless(!gst_cuda_cam_holder_acquire(holder.get(), kLong, &error));
  expect_error(error, GST_CUDA_CAM_LEASE_ERROR_STOPPED);
}
GST_END_TEST

GST_START_TEST(hold_times_of_a_holder_are_told) {
  constexpr auto kHeld = std::chrono::milliseconds(30);
  LeaseBench bench;
  for (guint8 i = 0; i < 10; ++i) {
    bench.push(i);
    const auto lease = bench.acquire("reader");
    if (i == 5) std::this_thread::sleep_for(kHeld);  // the one in ten that is held for long
  }
  const auto median = holder_number(bench.sink(), "reader", "hold-median");
  const auto longest = holder_number(bench.sink(), "reader", "hold-p99");
  fail_unless(median > 0 && median < longest);
  fail_unless(longest >= guint64(std::chrono::nanoseconds(kHeld).count()));
}
GST_END_TEST

GST_START_TEST(several_sinks_behind_one_tee_lend_the_same_frames) {
  auto *pipeline = gst_parse_launch(
      "videotestsrc num-buffers=1 ! cudacampool ! tee name=t t. ! queue ! cudacamsink name=a "
      "t. ! queue ! cudacamsink name=b",
      nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  std::vector<LeasePtr> leases;
  for (const char *name : {"a", "b"}) {
    auto *sink = gst_bin_get_by_name(GST_BIN(pipeline), name);
    leases.emplace_back(
        gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink), "reader", kLong, nullptr));
    gst_object_unref(sink);
  }
  const auto memory = [](const LeasePtr &lease) {
    return gst_buffer_peek_memory(gst_cuda_cam_lease_get_buffer(lease.get()), 0);
  };
  fail_unless(memory(leases[0]) == memory(leases[1]));
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(several_holders_and_sinks_behind_one_tee_share_the_slots) {
  auto *pipeline = gst_parse_launch(
      "videotestsrc is-live=true ! video/x-raw,width=16,height=16,framerate=200/1 ! "
      "cudacampool slots=4 name=pool ! tee name=t t. ! cudacamsink name=a t. ! cudacamsink name=b",
      nullptr);
  auto *a = gst_bin_get_by_name(GST_BIN(pipeline), "a");
  auto *b = gst_bin_get_by_name(GST_BIN(pipeline), "b");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  const auto acquire = [](GstElement *sink, const char *holder) {
    return LeasePtr(gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink), holder, kLong, nullptr));
  };
  for (int round = 0; round < 50; ++round) {
    // What one sink does about its readers is nothing to the other.
    const auto stuck = acquire(a, "stuck");
    const auto other = acquire(a, "other");
    fail_unless(acquire(b, "reader") && acquire(b, "second"));
    GstStructure *answer = nullptr;
    g_signal_emit_by_name(b, "drain", kLong, &answer);
    fail_unless(flag(StructurePtr(answer), "drained"));
    fail_unless_equals_uint64(number(a, "outstanding"), 2);
  }
  fail_unless_equals_uint64(holder_number(a, "stuck", "taken"), 50);
  fail_unless_equals_uint64(holder_number(b, "second", "released"), 50);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(a);
  gst_object_unref(b);
  gst_object_unref(pipeline);
}
GST_END_TEST

/// Names of fields of a GstStructure would stay for the life of the process (before
/// GStreamer 1.26).
GST_START_TEST(names_of_holders_are_not_kept_by_glib) {
  constexpr int kNames = 1000;  // more than are remembered
  LeaseBench bench;
  for (int i = 0; i < kNames; ++i) {
    const auto name = "made-up-" + std::to_string(i);
    bench.push(1);
    const auto lease = bench.acquire(name.c_str());
    fail_unless(lease != nullptr);
    const auto answer = bench.drain(0);
    fail_unless(holder_row(answer, name.c_str()) != nullptr);
    fail_unless(holder_row(statistics(bench.sink()), name.c_str()) != nullptr);
    fail_unless_equals_int(g_quark_try_string(name.c_str()), 0);
  }
}
GST_END_TEST

static Suite *lease_holders_suite() {
  auto *suite = suite_create("lease-holders");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_holder_cannot_take_more_than_max_leases);
  tcase_add_test(tests, a_holder_with_a_queue_gets_every_frame);
  tcase_add_test(tests, a_holder_is_one_of_its_name_and_ends_with_its_last_reference);
  tcase_add_test(tests, a_holder_outlives_states_and_the_owner_of_the_sink);
  tcase_add_test(tests, hold_times_of_a_holder_are_told);
  tcase_add_test(tests, several_sinks_behind_one_tee_lend_the_same_frames);
  tcase_add_test(tests, several_holders_and_sinks_behind_one_tee_share_the_slots);
  tcase_add_test(tests, names_of_holders_are_not_kept_by_glib);
  return suite;
}

GST_CHECK_MAIN(lease_holders)
