// SPDX-License-Identifier: LGPL-2.1-or-later
/// cudacampool on system memory: the behaviour that every backend shares.
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/ptr.hpp"
#include "frame/camera-event.h"
#include "frame/frame-meta.h"
#include "support/statistics.hpp"

using cudacam::BufferPtr;
using cudacam::test::number;

namespace {

constexpr const char *kSmall = "video/x-raw,format=NV12,width=64,height=48,framerate=30/1";
constexpr const char *kLarge = "video/x-raw,format=NV12,width=128,height=96,framerate=30/1";
constexpr gsize kSmallBytes = 64 * 48 * 3 / 2;

/// A cudacampool between a test that pushes frames and one that pulls them.
class Bench {
 public:
  explicit Bench(const char *launch = "cudacampool slots=3", const char *caps = kSmall)
      : harness_(gst_harness_new_parse(launch)) {
    gst_harness_set_src_caps_str(harness_, caps);
    pool_ = gst_harness_find_element(harness_, "cudacampool");
  }
  ~Bench() {
    gst_object_unref(pool_);
    gst_harness_teardown(harness_);
  }

  GstElement *pool() const { return pool_; }
  GstHarness *harness() const { return harness_; }
  void set_caps(const char *caps) { gst_harness_set_src_caps_str(harness_, caps); }

  /// Pushes a frame that upstream allocated by itself.
  GstFlowReturn push(guint8 value, gsize bytes = kSmallBytes) {
    auto *frame = gst_buffer_new_allocate(nullptr, bytes, nullptr);
    gst_buffer_memset(frame, 0, value, bytes);
    GST_BUFFER_PTS(frame) = frames_++ * GST_SECOND / 30;
    return gst_harness_push(harness_, frame);
  }
  BufferPtr pull() { return BufferPtr(gst_harness_try_pull(harness_)); }
  BufferPtr pass(guint8 value, gsize bytes = kSmallBytes) {
    fail_unless_equals_int(push(value, bytes), GST_FLOW_OK);
    return pull();
  }

 private:
  GstHarness *harness_;
  GstElement *pool_;
  guint64 frames_ = 0;
};

bool filled_with(GstBuffer *frame, guint8 value) {
  GstMapInfo map;
  fail_unless(gst_buffer_map(frame, &map, GST_MAP_READ));
  bool same = map.size > 0;
  for (gsize i = 0; i < map.size; ++i) same = same && map.data[i] == value;
  gst_buffer_unmap(frame, &map);
  return same;
}

GstMemory *memory(const BufferPtr &frame) {
  return gst_buffer_peek_memory(frame.get(), 0);
}

}  // namespace

GST_START_TEST(upstream_writes_straight_into_the_slots) {
  Bench bench;
  for (int i = 0; i < 10; ++i) {
    // The harness allocates from what the element proposed.
    auto *frame = gst_harness_create_buffer(bench.harness(), kSmallBytes);
    gst_buffer_memset(frame, 0, 7, kSmallBytes);
    auto *written = gst_buffer_peek_memory(frame, 0);
    fail_unless_equals_int(gst_harness_push(bench.harness(), frame), GST_FLOW_OK);
    const auto out = bench.pull();
    fail_unless(memory(out) == written);
    fail_unless(filled_with(out.get(), 7));
  }
  fail_unless_equals_uint64(number(bench.pool(), "copied"), 0);
}
GST_END_TEST

GST_START_TEST(a_shared_view_of_a_slot_is_still_the_slot) {
  Bench bench;
  auto *frame = gst_harness_create_buffer(bench.harness(), kSmallBytes);
  gst_buffer_memset(frame, 0, 7, kSmallBytes);
  gst_buffer_replace_all_memory(frame, gst_memory_share(gst_buffer_peek_memory(frame, 0), 0, -1));
  fail_unless_equals_int(gst_harness_push(bench.harness(), frame), GST_FLOW_OK);
  fail_unless(filled_with(bench.pull().get(), 7));
  fail_unless_equals_uint64(number(bench.pool(), "copied"), 0);
}
GST_END_TEST

GST_START_TEST(foreign_frames_are_copied_once) {
  Bench bench;
  auto *frame = gst_buffer_new_allocate(nullptr, kSmallBytes, nullptr);
  gst_buffer_memset(frame, 0, 9, kSmallBytes);
  GST_BUFFER_PTS(frame) = 3 * GST_SECOND;
  GST_BUFFER_FLAG_SET(frame, GST_BUFFER_FLAG_DISCONT);
  gst_buffer_add_video_region_of_interest_meta(frame, "face", 1, 2, 3, 4);
  auto *source = gst_buffer_peek_memory(frame, 0);
  gst_harness_push(bench.harness(), frame);
  const auto out = bench.pull();
  fail_unless(memory(out) != source);
  fail_unless(filled_with(out.get(), 9));
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
  fail_unless(filled_with(held.get(), 1));
}
GST_END_TEST

GST_START_TEST(drops_and_counts_when_all_slots_are_held) {
  Bench bench;
  std::vector<BufferPtr> held;
  for (guint8 i = 0; i < 3; ++i) held.push_back(bench.pass(i));
  for (int i = 0; i < 5; ++i) {
    fail_unless_equals_int(bench.push(99), GST_FLOW_OK);
    fail_unless(!bench.pull());
  }
  fail_unless_equals_uint64(number(bench.pool(), "dropped"), 5);
  for (guint8 i = 0; i < 3; ++i) fail_unless(filled_with(held[i].get(), i));

  held.erase(held.begin());
  const auto next = bench.pass(50);
  fail_unless(filled_with(next.get(), 50));
  const auto *meta = gst_buffer_get_cuda_cam_frame_meta(next.get());
  fail_unless_equals_uint64(meta->sequence, 8);  // three held, five dropped
}
GST_END_TEST

GST_START_TEST(acquiring_beyond_the_slots_never_fails) {
  Bench bench;
  std::vector<BufferPtr> written;
  for (int i = 0; i < 10; ++i)
    written.emplace_back(gst_harness_create_buffer(bench.harness(), kSmallBytes));
  for (auto &frame : written)
    fail_unless_equals_int(gst_harness_push(bench.harness(), frame.release()), GST_FLOW_OK);
  fail_unless_equals_uint64(number(bench.pool(), "dropped"), 7);
}
GST_END_TEST

GST_START_TEST(a_slot_belongs_to_its_memory_not_to_its_buffer) {
  Bench bench;
  auto frame = bench.pass(1);
  BufferPtr shallow(gst_buffer_copy(frame.get()));
  BufferPtr region(gst_buffer_copy_region(frame.get(), GST_BUFFER_COPY_MEMORY, 16, 32));
  frame.reset();
  fail_unless_equals_uint64(number(bench.pool(), "slots-published"), 1);
  for (int i = 0; i < 10; ++i) bench.pass(2);
  fail_unless(filled_with(shallow.get(), 1));
  shallow.reset();
  fail_unless_equals_uint64(number(bench.pool(), "slots-published"), 1);
  for (int i = 0; i < 10; ++i) bench.pass(3);
  fail_unless(filled_with(region.get(), 1));
  region.reset();
  fail_unless_equals_uint64(number(bench.pool(), "slots-free"), 3);
}
GST_END_TEST

GST_START_TEST(a_slot_whose_view_was_narrowed_comes_back_whole) {
  Bench bench("cudacampool slots=2");
  for (int i = 0; i < 6; ++i) {
    const auto frame = bench.pass(static_cast<guint8>(i));
    fail_unless_equals_uint64(gst_buffer_get_size(frame.get()), kSmallBytes);
    gst_memory_resize(memory(frame), 100, 200);
  }
}
GST_END_TEST

GST_START_TEST(frames_outlive_the_element) {
  std::vector<BufferPtr> held;
  {
    Bench bench;
    for (guint8 i = 0; i < 3; ++i) held.push_back(bench.pass(i));
  }
  std::vector<std::thread> readers;
  for (guint8 i = 0; i < 3; ++i)
    readers.emplace_back([i, frame = std::move(held[i])]() mutable {
      fail_unless(filled_with(frame.get(), i));
      frame.reset();
    });
  for (auto &reader : readers) reader.join();
}
GST_END_TEST

GST_START_TEST(new_caps_make_a_new_generation_and_keep_old_frames) {
  Bench bench;
  const auto small = bench.pass(1);
  bench.set_caps(kLarge);
  const auto large = bench.pass(2, kSmallBytes * 4);
  bench.set_caps(kSmall);
  const auto again = bench.pass(3);
  fail_unless(filled_with(small.get(), 1));
  fail_unless(filled_with(large.get(), 2));
  const guint64 expected[] = {1, 2, 3};
  const BufferPtr *frames[] = {&small, &large, &again};
  for (int i = 0; i < 3; ++i)
    fail_unless_equals_uint64(gst_buffer_get_cuda_cam_frame_meta(frames[i]->get())->generation,
                              expected[i]);
}
GST_END_TEST

GST_START_TEST(same_size_and_format_keep_the_generation) {
  Bench bench;
  bench.pass(1);
  bench.set_caps("video/x-raw,format=NV12,width=64,height=48,framerate=25/1");
  bench.pass(2);
  fail_unless_equals_uint64(number(bench.pool(), "generation"), 1);
}
GST_END_TEST

GST_START_TEST(memory_does_not_grow) {
  Bench bench;
  bench.pass(0);
  const auto bytes = number(bench.pool(), "bytes");
  fail_unless(bytes >= 4 * kSmallBytes && bytes < 5 * kSmallBytes);  // three slots and overflow
  for (int i = 0; i < 200; ++i) bench.pass(1);
  fail_unless_equals_uint64(number(bench.pool(), "bytes"), bytes);
  fail_unless_equals_uint64(number(bench.pool(), "generation"), 1);
}
GST_END_TEST

GST_START_TEST(frames_say_where_they_come_from) {
  Bench bench("cudacampool name=front-door");
  const auto alone = bench.pass(1);
  const auto *meta = gst_buffer_get_cuda_cam_frame_meta(alone.get());
  fail_unless_equals_string(meta->camera, "front-door");
  fail_unless_equals_uint64(meta->connection, 0);
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
    auto *frame = gst_harness_create_buffer(bench.harness(), kSmallBytes);
    auto *reference = gst_caps_new_empty_simple(name);
    gst_buffer_add_reference_timestamp_meta(frame, reference, time, GST_CLOCK_TIME_NONE);
    gst_caps_unref(reference);
    gst_harness_push(bench.harness(), frame);
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

GST_START_TEST(state_churn_while_frames_arrive) {
  auto *harness = gst_harness_new_parse("cudacampool slots=2");
  gst_harness_set_drop_buffers(harness, TRUE);
  // Frames may meet a stop, at any place, but never a start that comes between them and the events
  // of their stream, which a stop takes away.
  std::mutex starting;
  std::atomic<bool> ended{false};
  std::thread upstream([&] {
    while (!ended) {
      {
        const std::lock_guard lock(starting);
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_harness_push_event(harness, gst_event_new_stream_start("churn"));
        const cudacam::CapsPtr caps(gst_caps_from_string(kSmall));
        gst_harness_push_event(harness, gst_event_new_caps(caps.get()));
        gst_harness_push_event(harness, gst_event_new_segment(&segment));
        for (int i = 0; i < 3; ++i)
          gst_harness_push(harness, gst_harness_create_buffer(harness, kSmallBytes));
      }
      g_thread_yield();
    }
  });
  for (int i = 0; i < 200; ++i) {
    gst_element_set_state(harness->element, GST_STATE_READY);
    const std::lock_guard lock(starting);
    gst_element_set_state(harness->element, GST_STATE_PLAYING);
  }
  ended = true;
  upstream.join();
  gst_harness_teardown(harness);
}
GST_END_TEST

static Suite *cudacampool_suite() {
  auto *suite = suite_create("cudacampool");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, upstream_writes_straight_into_the_slots);
  tcase_add_test(tests, a_shared_view_of_a_slot_is_still_the_slot);
  tcase_add_test(tests, foreign_frames_are_copied_once);
  tcase_add_test(tests, a_held_frame_is_never_overwritten);
  tcase_add_test(tests, drops_and_counts_when_all_slots_are_held);
  tcase_add_test(tests, acquiring_beyond_the_slots_never_fails);
  tcase_add_test(tests, a_slot_belongs_to_its_memory_not_to_its_buffer);
  tcase_add_test(tests, a_slot_whose_view_was_narrowed_comes_back_whole);
  tcase_add_test(tests, frames_outlive_the_element);
  tcase_add_test(tests, new_caps_make_a_new_generation_and_keep_old_frames);
  tcase_add_test(tests, same_size_and_format_keep_the_generation);
  tcase_add_test(tests, memory_does_not_grow);
  tcase_add_test(tests, frames_say_where_they_come_from);
  tcase_add_test(tests, capture_time_comes_from_the_camera);
  tcase_add_test(tests, one_slot_is_refused_with_a_sentence_that_says_what_to_do);
  tcase_add_test(tests, state_churn_while_frames_arrive);
  return suite;
}

GST_CHECK_MAIN(cudacampool)
