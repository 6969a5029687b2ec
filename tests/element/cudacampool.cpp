// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacampool promises, whatever memory its slots are in: run for system memory and for the
/// GPU.
#include <gst/check/gstcheck.h>

#include <vector>

#include "frame/camera-event.h"
#include "frame/frame-meta.h"
#include "pool-bench.hpp"
#include "property-churn.hpp"
#include "support/check-main.hpp"
#include "support/statistics.hpp"

using cudacam::BufferPtr;
using cudacam::test::check_properties_set_at_once;
using cudacam::test::filled_with;
using cudacam::test::number;
using cudacam::test::TestMemory;
using Bench = cudacam::test::PoolBench;

namespace {

GstMemory *memory(const BufferPtr &frame) {
  return gst_buffer_peek_memory(frame.get(), 0);
}

}  // namespace

GST_START_TEST(upstream_writes_straight_into_the_slots) {
  Bench bench;
  for (int i = 0; i < 10; ++i) {
    auto frame = bench.write(7);
    auto *written = memory(frame);
    fail_unless_equals_int(bench.push(std::move(frame)), GST_FLOW_OK);
    const auto out = bench.pull();
    fail_unless(memory(out) == written);
    fail_unless(filled_with(out.get(), bench.info(), 7));
  }
  fail_unless_equals_uint64(number(bench.pool(), "copied"), 0);
}
GST_END_TEST

GST_START_TEST(foreign_frames_are_copied_once) {
  Bench bench;
  auto frame = bench.foreign(9);
  GST_BUFFER_PTS(frame.get()) = 3 * GST_SECOND;
  GST_BUFFER_FLAG_SET(frame.get(), GST_BUFFER_FLAG_DISCONT);
  gst_buffer_add_video_region_of_interest_meta(frame.get(), "face", 1, 2, 3, 4);
  auto *source = memory(frame);
  bench.push(std::move(frame));
  const auto out = bench.pull();
  fail_unless(memory(out) != source);
  fail_unless(filled_with(out.get(), bench.info(), 9));
  fail_unless_equals_uint64(GST_BUFFER_PTS(out.get()), 3 * GST_SECOND);
  fail_unless(GST_BUFFER_FLAG_IS_SET(out.get(), GST_BUFFER_FLAG_DISCONT));
  fail_unless(gst_buffer_get_video_region_of_interest_meta(out.get()));
  fail_unless_equals_uint64(number(bench.pool(), "copied"), 1);
}
GST_END_TEST

GST_START_TEST(a_held_frame_is_never_overwritten) {
  Bench bench;
  const auto held = bench.pass(1);
  for (int i = 0; i < 50; ++i) fail_unless(bench.pass(2) != nullptr);
  fail_unless(filled_with(held.get(), bench.info(), 1));
}
GST_END_TEST

GST_START_TEST(drops_and_counts_when_all_slots_are_held) {
  Bench bench;
  std::vector<BufferPtr> held;
  for (guint8 i = 0; i < 3; ++i) held.push_back(bench.pass(i));
  for (int i = 0; i < 5; ++i) fail_unless(!bench.pass(99));
  for (int i = 0; i < 5; ++i) fail_unless(!bench.pass_foreign(99));
  fail_unless_equals_uint64(number(bench.pool(), "dropped"), 10);
  for (guint8 i = 0; i < 3; ++i) fail_unless(filled_with(held[i].get(), bench.info(), i));

  held.erase(held.begin());
  const auto next = bench.pass(50);
  fail_unless(filled_with(next.get(), bench.info(), 50));
  const auto *meta = gst_buffer_get_cuda_cam_frame_meta(next.get());
  fail_unless_equals_uint64(meta->sequence, 13);  // three held, ten dropped
}
GST_END_TEST

GST_START_TEST(acquiring_beyond_the_slots_never_fails) {
  Bench bench;
  std::vector<BufferPtr> written;
  for (guint8 i = 0; i < 10; ++i) written.push_back(bench.write(i));
  for (auto &frame : written) fail_unless_equals_int(bench.push(std::move(frame)), GST_FLOW_OK);
  fail_unless_equals_uint64(number(bench.pool(), "dropped"), 7);
}
GST_END_TEST

GST_START_TEST(the_slot_that_was_free_for_longest_is_written_next) {
  Bench bench;
  auto oldest_frame = bench.pass(1);
  auto other_frame = bench.pass(2);
  auto *oldest = memory(other_frame);
  other_frame.reset();
  bench.pass(3);  // the third slot, which was never written
  oldest_frame.reset();
  fail_unless(memory(bench.pass(4)) == oldest);
}
GST_END_TEST

GST_START_TEST(a_released_slot_rests_for_min_reuse_delay) {
  Bench hour("cudacampool slots=2 min-reuse-delay=3600000000000");
  fail_unless(hour.pass(1) != nullptr);
  fail_unless(hour.pass_foreign(2) != nullptr);
  fail_unless(!hour.pass(3));
  fail_unless(!hour.pass_foreign(4));
  fail_unless_equals_uint64(number(hour.pool(), "slots-free"), 2);
  fail_unless_equals_uint64(number(hour.pool(), "dropped"), 2);

  Bench short_rest("cudacampool slots=2 min-reuse-delay=1");
  for (int i = 0; i < 10; ++i) fail_unless(short_rest.pass(5) != nullptr);
}
GST_END_TEST

GST_START_TEST(frames_say_where_they_come_from) {
  Bench bench("cudacampool name=front-door");
  const auto alone = bench.pass(1);
  const auto *meta = gst_buffer_get_cuda_cam_frame_meta(alone.get());
  fail_unless_equals_string(meta->camera, "front-door");
  fail_unless_equals_uint64(meta->connection, 1);
  fail_unless_equals_uint64(meta->generation, 1);
  fail_unless_equals_uint64(meta->sequence, 0);
  fail_unless(!GST_CLOCK_TIME_IS_VALID(meta->capture_time));

  gst_harness_push_event(bench.harness(), gst_cuda_cam_event_new_camera("yard", 4, TRUE, nullptr));
  const auto told = bench.pass(2);
  meta = gst_buffer_get_cuda_cam_frame_meta(told.get());
  fail_unless_equals_string(meta->camera, "yard");
  fail_unless_equals_uint64(meta->connection, 4);
  fail_unless_equals_uint64(meta->sequence, 1);

  BufferPtr copy(gst_buffer_copy_deep(told.get()));
  fail_unless_equals_string(gst_buffer_get_cuda_cam_frame_meta(copy.get())->camera, "yard");
}
GST_END_TEST

GST_START_TEST(capture_time_comes_from_the_camera) {
  const std::pair<const char *, guint64> references[] = {
      {"timestamp/x-ntp", (G_GUINT64_CONSTANT(2208988800) + 1700000000) * GST_SECOND + 5},
      {"timestamp/x-unix", G_GUINT64_CONSTANT(1700000000) * GST_SECOND + 5}};
  for (const auto &[name, time] : references) {
    Bench bench;
    auto frame = bench.write(1);
    const cudacam::CapsPtr reference(gst_caps_new_empty_simple(name));
    gst_buffer_add_reference_timestamp_meta(frame.get(), reference.get(), time,
                                            GST_CLOCK_TIME_NONE);
    bench.push(std::move(frame));
    const auto out = bench.pull();
    fail_unless_equals_uint64(gst_buffer_get_cuda_cam_frame_meta(out.get())->capture_time,
                              G_GUINT64_CONSTANT(1700000000) * GST_SECOND + 5);
  }
}
GST_END_TEST

GST_START_TEST(one_slot_is_refused_with_a_sentence_that_says_what_to_do) {
  auto *pool = gst_check_setup_element("cudacampool");
  auto *bus = gst_bus_new();
  gst_element_set_bus(pool, bus);
  g_object_set(pool, "slots", 1, nullptr);
  fail_unless_equals_int(gst_element_set_state(pool, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  auto *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  GError *error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  fail_unless(g_error_matches(error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS));
  fail_unless(g_strrstr(error->message, "set slots to 2 or more"), "%s", error->message);
  g_error_free(error);
  gst_message_unref(message);
  gst_element_set_bus(pool, nullptr);
  gst_object_unref(bus);
  gst_element_set_state(pool, GST_STATE_NULL);
  gst_check_teardown_element(pool);
}
GST_END_TEST

GST_START_TEST(properties_that_threads_set_at_once_all_hold) {
  Bench bench;
  check_properties_set_at_once(G_OBJECT(bench.pool()), "min-reuse-delay", "vram-budget");
}
GST_END_TEST

static Suite *cudacampool_suite() {
  auto *suite = suite_create("cudacampool");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, upstream_writes_straight_into_the_slots);
  tcase_add_test(tests, foreign_frames_are_copied_once);
  tcase_add_test(tests, a_held_frame_is_never_overwritten);
  tcase_add_test(tests, drops_and_counts_when_all_slots_are_held);
  tcase_add_test(tests, acquiring_beyond_the_slots_never_fails);
  tcase_add_test(tests, the_slot_that_was_free_for_longest_is_written_next);
  tcase_add_test(tests, a_released_slot_rests_for_min_reuse_delay);
  tcase_add_test(tests, frames_say_where_they_come_from);
  tcase_add_test(tests, capture_time_comes_from_the_camera);
  tcase_add_test(tests, one_slot_is_refused_with_a_sentence_that_says_what_to_do);
  tcase_add_test(tests, properties_that_threads_set_at_once_all_hold);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool, TestMemory::wants_gpu() && !TestMemory::have_gpu() ? "no GPU" : "")
