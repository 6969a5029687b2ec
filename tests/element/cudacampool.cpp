// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacampool promises, whatever memory its slots are in: run for system memory and for the
/// GPU.
#include <gst/check/gstcheck.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "frame/camera-event.h"
#include "frame/frame-meta.h"
#include "pool-bench.hpp"
#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"

using cudacam::BufferPtr;
using cudacam::test::filled_with;
using cudacam::test::gpu_allocations;
using cudacam::test::number;
using cudacam::test::SimulatedDriver;
using cudacam::test::TestMemory;
using cudacam::test::wait_until;
using Bench = cudacam::test::PoolBench;

namespace {

constexpr int kSkipped = 77;

GstMemory *memory(const BufferPtr &frame) {
  return gst_buffer_peek_memory(frame.get(), 0);
}

guint64 generation(const BufferPtr &frame) {
  return gst_buffer_get_cuda_cam_frame_meta(frame.get())->generation;
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

GST_START_TEST(a_slot_belongs_to_its_memory_not_to_its_buffer) {
  Bench bench;
  auto frame = bench.pass(1);
  BufferPtr shallow(gst_buffer_copy(frame.get()));
  auto *shared = gst_memory_ref(memory(frame));
  frame.reset();
  fail_unless_equals_uint64(number(bench.pool(), "slots-published"), 1);
  for (int i = 0; i < 10; ++i) bench.pass(2);
  fail_unless(filled_with(shallow.get(), bench.info(), 1));
  shallow.reset();
  fail_unless_equals_uint64(number(bench.pool(), "slots-published"), 1);
  gst_memory_unref(shared);
  fail_unless_equals_uint64(number(bench.pool(), "slots-free"), 3);
}
GST_END_TEST

/// Of a part in system memory; GstCudaMemory has no parts (gst_memory_share() has no function to
/// call there in 1.22), and gst_buffer_copy_region() refers to the whole.
GST_START_TEST(a_region_of_a_frame_is_the_frame) {
  Bench bench;
  auto frame = bench.pass(1);
  const bool whole = TestMemory::get().on_gpu();
  BufferPtr region(gst_buffer_copy_region(frame.get(), GST_BUFFER_COPY_ALL, whole ? 0 : 16,
                                          whole ? static_cast<gsize>(-1) : 32));
  fail_unless(region != nullptr);
  frame.reset();
  fail_unless_equals_uint64(number(bench.pool(), "slots-published"), 1);
  for (int i = 0; i < 10; ++i) bench.pass(3);
  GstMapInfo map;
  fail_unless(gst_buffer_map(region.get(), &map, GST_MAP_READ));
  for (gsize i = 0; i < 32; ++i) fail_unless_equals_int(map.data[i], 1);
  gst_buffer_unmap(region.get(), &map);
  region.reset();
  fail_unless_equals_uint64(number(bench.pool(), "slots-free"), 3);
}
GST_END_TEST

GST_START_TEST(a_shared_view_of_a_slot_is_still_the_slot) {
  Bench bench;
  auto frame = bench.write(7);
  if (GST_MEMORY_IS_NO_SHARE(memory(frame)) || TestMemory::get().on_gpu()) return;
  gst_buffer_replace_all_memory(frame.get(), gst_memory_share(memory(frame), 0, -1));
  fail_unless_equals_int(bench.push(std::move(frame)), GST_FLOW_OK);
  fail_unless(filled_with(bench.pull().get(), bench.info(), 7));
  fail_unless_equals_uint64(number(bench.pool(), "copied"), 0);
}
GST_END_TEST

GST_START_TEST(a_slot_whose_view_was_narrowed_comes_back_whole) {
  Bench bench("cudacampool slots=2");
  gsize whole = 0;
  for (int i = 0; i < 6; ++i) {
    const auto frame = bench.pass(static_cast<guint8>(i));
    if (!whole) whole = gst_buffer_get_size(frame.get());
    fail_unless_equals_uint64(gst_buffer_get_size(frame.get()), whole);
    gst_memory_resize(memory(frame), 100, 200);
  }
}
GST_END_TEST

/// A branch that goes on in another thread, and one that keeps what it got.
GST_START_TEST(every_branch_of_a_tee_holds_the_slot) {
  Bench bench(
      "cudacampool name=pool slots=3 ! tee name=t  t. ! queue ! fakesink name=keeper sync=false "
      "signal-handoffs=true enable-last-sample=false  t. ! identity");
  const auto keeper =
      cudacam::adopt(gst_bin_get_by_name(GST_BIN(bench.harness()->element), "keeper"));
  struct Kept {
    std::mutex mutex;
    std::condition_variable arrived;
    std::vector<BufferPtr> frames;
  } kept;
  g_signal_connect(keeper.get(), "handoff",
                   G_CALLBACK(+[](GstElement *, GstBuffer *frame, GstPad *, Kept *all) {
                     std::lock_guard lock(all->mutex);
                     all->frames.push_back(cudacam::share(frame));
                     all->arrived.notify_all();
                   }),
                   &kept);
  for (guint8 i = 1; i <= 3; ++i) fail_unless(bench.pass(i) != nullptr);
  {
    std::unique_lock lock(kept.mutex);
    fail_unless(kept.arrived.wait_for(lock, std::chrono::minutes(1),
                                      [&] { return kept.frames.size() == 3; }));
  }
  fail_unless(!bench.pass(9));
  fail_unless_equals_uint64(number(bench.pool(), "slots-published"), 3);
  for (guint8 i = 1; i <= 3; ++i)
    fail_unless(filled_with(kept.frames[i - 1].get(), bench.info(), i));
  gst_element_set_state(keeper.get(), GST_STATE_NULL);  // its thread has let go, too
  kept.frames.clear();
  fail_unless_equals_uint64(number(bench.pool(), "slots-free"), 3);
}
GST_END_TEST

GST_START_TEST(frames_outlive_element_pipeline_and_context) {
  std::vector<BufferPtr> held;
  GstVideoInfo info;
  {
    Bench bench;
    info = bench.info();
    for (guint8 i = 0; i < 3; ++i) held.push_back(i ? bench.pass(i) : bench.pass_foreign(i));
  }
  TestMemory::get().forget();
  std::vector<std::thread> readers;
  for (guint8 i = 0; i < 3; ++i)
    readers.emplace_back([i, info, frame = std::move(held[i])]() mutable {
      fail_unless(filled_with(frame.get(), info, i));
      frame.reset();
    });
  for (auto &reader : readers) reader.join();
  const SimulatedDriver driver;
  for (const char *counter : {"memory.live", "physical.live", "reservation.live", "stream.live",
                              "event.live", "context.live"})
    wait_until([&] { return driver.counter(counter) == 0; });
}
GST_END_TEST

GST_START_TEST(new_caps_make_a_new_generation_and_keep_old_frames) {
  Bench bench;
  const auto small = bench.info();
  const auto oldest_frame = bench.pass(1);
  bench.set_size(Bench::kLarge);
  const auto large = bench.pass(2);
  bench.set_size("width=32,height=32");
  const auto last = bench.pass(3);
  fail_unless(filled_with(oldest_frame.get(), small, 1));
  fail_unless(filled_with(last.get(), bench.info(), 3));
  fail_unless_equals_uint64(generation(oldest_frame), 1);
  fail_unless_equals_uint64(generation(large), 2);
  fail_unless_equals_uint64(generation(last), 3);
}
GST_END_TEST

GST_START_TEST(a_size_that_comes_back_gets_its_slots_back) {
  Bench bench;
  const auto held = bench.pass(1);
  bench.set_size(Bench::kLarge);
  bench.pass(2);
  bench.set_size(Bench::kSmall);
  fail_unless_equals_uint64(number(bench.pool(), "slots"), 3);
  for (guint8 i = 0; i < 10; ++i) {
    const auto frame = bench.pass(5);
    fail_unless(frame && memory(frame) != memory(held));
    fail_unless_equals_uint64(generation(frame), 3);
  }
  fail_unless_equals_uint64(generation(held), 1);
  fail_unless(filled_with(held.get(), bench.info(), 1));
}
GST_END_TEST

GST_START_TEST(same_size_and_format_keep_the_generation) {
  Bench bench;
  bench.pass(1);
  bench.set_size(Bench::kSmall, ",multiview-mode=mono");
  bench.pass(2);
  fail_unless_equals_uint64(number(bench.pool(), "generation"), 1);
}
GST_END_TEST

GST_START_TEST(memory_does_not_grow) {
  Bench bench;
  auto frame = bench.pass(0);
  const auto one = bench.slot_bytes();
  fail_unless(one >= gst_buffer_get_size(frame.get()));
  frame.reset();
  fail_unless_equals_uint64(number(bench.pool(), "bytes"), 4 * one);  // three slots and overflow
  const auto allocations = gpu_allocations();
  for (int i = 0; i < 200; ++i) bench.pass(1);
  fail_unless_equals_uint64(number(bench.pool(), "bytes"), 4 * one);
  fail_unless_equals_uint64(number(bench.pool(), "generation"), 1);
  fail_unless_equals_int64(gpu_allocations(), allocations);
}
GST_END_TEST

/// A camera that cannot decide, with a reader that keeps a frame of either size.
GST_START_TEST(back_and_forth_between_two_sizes_a_thousand_times) {
  Bench bench;
  const auto small = bench.info();
  const auto oldest_frame = bench.pass(1);
  bench.set_size(Bench::kLarge);
  const auto large = bench.info();
  const auto other_frame = bench.pass(2);
  guint64 bytes[2] = {};
  gint64 live[2] = {};
  for (int i = 0; i < 1000; ++i) {
    bench.set_size(i % 2 ? Bench::kLarge : Bench::kSmall);
    fail_unless(bench.pass(3) != nullptr);
    bench.settle();
    const auto all = number(bench.pool(), "bytes-all-generations");
    const auto on_device = gpu_allocations();
    if (i < 2) {
      bytes[i % 2] = all;
      live[i % 2] = on_device;
    }
    fail_unless_equals_uint64(all, bytes[i % 2]);
    fail_unless_equals_int64(on_device, live[i % 2]);
  }
  fail_unless(filled_with(oldest_frame.get(), small, 1));
  fail_unless(filled_with(other_frame.get(), large, 2));
  fail_unless_equals_uint64(number(bench.pool(), "generation"), 1002);
}
GST_END_TEST

GST_START_TEST(an_earlier_generation_shrinks_to_what_is_held) {
  Bench bench("cudacampool slots=4");
  auto one = bench.pass(1);
  auto two = bench.pass(2);
  const auto frame = bench.slot_bytes();
  bench.set_size(Bench::kLarge);
  bench.pass(3);
  const auto now = number(bench.pool(), "bytes");
  const auto all = [&] {
    bench.settle();
    return number(bench.pool(), "bytes-all-generations");
  };
  fail_unless_equals_uint64(all(), now + 3 * frame);  // with the overflow slot
  one.reset();
  bench.pass(3);
  fail_unless_equals_uint64(all(), now + 2 * frame);
  two.reset();  // and with its last reader
  fail_unless_equals_uint64(all(), now);
}
GST_END_TEST

/// Upstream that goes on with its old pool would write frames of the wrong size.
GST_START_TEST(a_pool_of_an_earlier_size_gives_no_slot) {
  Bench bench;
  auto held = bench.pass(1);
  const cudacam::CapsPtr caps(gst_caps_from_string(TestMemory::get().caps(Bench::kLarge).c_str()));
  gst_harness_set_src_caps(bench.harness(), gst_caps_ref(caps.get()));
  held.reset();
  bench.push(bench.acquire());
  fail_unless(!bench.pull());
  fail_unless_equals_uint64(number(bench.pool(), "dropped"), 1);
  fail_unless(bench.negotiate());
}
GST_END_TEST

GST_START_TEST(statistics_tell_each_generation) {
  Bench bench;
  const auto held = bench.pass(1);
  bench.set_size(Bench::kLarge);
  bench.settle();
  const auto statistics = cudacam::test::statistics(bench.pool());
  const auto *list = gst_structure_get_value(statistics.get(), "generations");
  fail_unless_equals_int(gst_value_array_get_size(list), 2);
  guint64 bytes = 0;
  for (guint i = 0; i < 2; ++i) {
    const auto *one = gst_value_get_structure(gst_value_array_get_value(list, i));
    guint64 number_of = 0, bytes_of = 0;
    gint width = 0;
    guint out = 0;
    gboolean current = FALSE;
    fail_unless(gst_structure_get(one, "generation", G_TYPE_UINT64, &number_of, "bytes",
                                  G_TYPE_UINT64, &bytes_of, "width", G_TYPE_INT, &width,
                                  "slots-out", G_TYPE_UINT, &out, "current", G_TYPE_BOOLEAN,
                                  &current, nullptr));
    fail_unless_equals_uint64(number_of, i + 1);
    fail_unless_equals_int(width, i ? 128 : 64);
    fail_unless_equals_int(out, i ? 0 : 1);
    fail_unless_equals_int(current, static_cast<gint>(i));
    bytes += bytes_of;
  }
  fail_unless_equals_uint64(bytes, number(bench.pool(), "bytes-all-generations"));
}
GST_END_TEST

namespace {

/// Of one frame of that size, as the device rounds.
gsize bytes_of(const char *size) {
  const Bench bench("cudacampool", size);
  return bench.slot_bytes();
}

std::string with_budget(gsize bytes) {
  return "cudacampool slots=3 camera-name=yard vram-budget=" + std::to_string(bytes);
}

}  // namespace

GST_START_TEST(a_full_budget_drops_frames_until_old_ones_come_back) {
  const auto small = bytes_of(Bench::kSmall);
  const auto large = bytes_of(Bench::kLarge);
  // Room for the large generation, and for one frame and the overflow slot of the small one.
  const auto budget = 4 * large + small;
  Bench bench(with_budget(budget).c_str());
  std::vector<BufferPtr> held;
  const auto info = bench.info();
  for (guint8 i = 0; i < 3; ++i) held.push_back(bench.pass(i));
  bench.set_size(Bench::kLarge);
  bench.settle();

  // The first readers hold too much of it. What is there is used.
  const auto slots = number(bench.pool(), "slots");
  fail_unless(slots < 3);
  fail_unless_equals_uint64(number(bench.pool(), "slots-missing"), 3 - slots);
  const auto warning = bench.warning();
  for (const auto &part : {std::string("yard"), std::to_string(budget), std::to_string(large)})
    fail_unless(warning.find(part) != std::string::npos, "no %s in: %s", part.c_str(),
                warning.c_str());
  std::vector<BufferPtr> large_held;
  for (int i = 0; i < 5; ++i)
    if (auto frame = bench.pass(7)) large_held.push_back(std::move(frame));
  fail_unless_equals_int(large_held.size(), slots);
  fail_unless_equals_uint64(number(bench.pool(), "dropped"), 5 - slots);
  fail_unless(number(bench.pool(), "bytes-all-generations") <= budget);
  for (guint8 i = 0; i < 3; ++i) fail_unless(filled_with(held[i].get(), info, i));

  held.clear();
  large_held.clear();
  bench.settle();
  bench.pass(8);  // sees that there is room
  for (int i = 0; i < 3; ++i) {
    large_held.push_back(bench.pass(8));
    fail_unless(large_held.back() != nullptr);
  }
  fail_unless_equals_uint64(number(bench.pool(), "slots-missing"), 0);
  fail_unless(number(bench.pool(), "bytes-all-generations") <= budget);
  fail_unless(bench.warning().empty() && bench.error().empty());
}
GST_END_TEST

GST_START_TEST(without_room_for_one_frame_nothing_is_offered_until_there_is) {
  const auto small = bytes_of(Bench::kSmall);
  const auto large = bytes_of(Bench::kLarge);
  // All of the large generation's frames are held, and its overflow slot is its pool's.
  Bench bench(with_budget(4 * std::max(large, small)).c_str(), Bench::kLarge);
  std::vector<BufferPtr> held;
  for (guint8 i = 0; i < 3; ++i) held.push_back(bench.pass(i));
  bench.set_size(Bench::kSmall);
  while (auto *event = gst_harness_try_pull_upstream_event(bench.harness())) gst_event_unref(event);
  fail_unless(!bench.negotiate());  // three and the overflow slot fill it
  for (int i = 0; i < 4; ++i) fail_unless(!bench.pass(5));
  fail_unless_equals_uint64(number(bench.pool(), "dropped"), 4);
  fail_unless_equals_uint64(number(bench.pool(), "slots-missing"), 3);
  fail_unless(!bench.warning().empty());
  fail_unless(bench.warning().empty());

  held.clear();
  bench.settle();
  fail_unless(bench.pass(6) != nullptr);
  fail_unless_equals_uint64(number(bench.pool(), "copied"), 1);
  bool asked = false;  // upstream, to look for slots again
  while (auto *event = gst_harness_try_pull_upstream_event(bench.harness())) {
    asked = asked || GST_EVENT_TYPE(event) == GST_EVENT_RECONFIGURE;
    gst_event_unref(event);
  }
  fail_unless(asked);
  fail_unless(bench.negotiate());
  fail_unless(bench.pass(7) != nullptr);
  fail_unless_equals_uint64(number(bench.pool(), "copied"), 1);
}
GST_END_TEST

GST_START_TEST(a_budget_for_less_than_the_slots_is_an_error_at_once) {
  const auto bytes = bytes_of(Bench::kSmall);
  Bench bench(with_budget(4 * bytes - 1).c_str());
  const auto error = bench.error();
  for (const auto &part :
       {std::string("yard"), std::to_string(4 * bytes - 1), std::to_string(bytes)})
    fail_unless(error.find(part) != std::string::npos, "no %s in: %s", part.c_str(), error.c_str());
  fail_unless(bench.push(bench.foreign(1)) != GST_FLOW_OK);
  fail_unless(bench.error().empty(), "a second error");
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

GST_START_TEST(state_churn_while_frames_arrive) {
  Bench bench("cudacampool slots=2");
  auto *harness = bench.harness();
  gst_harness_set_drop_buffers(harness, TRUE);
  const cudacam::CapsPtr caps(gst_pad_get_current_caps(harness->srcpad));
  const auto frame = bench.foreign(1);
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
        gst_harness_push_event(harness, gst_event_new_caps(caps.get()));
        gst_harness_push_event(harness, gst_event_new_segment(&segment));
        for (int i = 0; i < 3; ++i) gst_harness_push(harness, gst_buffer_copy(frame.get()));
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
  tcase_add_test(tests, a_slot_belongs_to_its_memory_not_to_its_buffer);
  tcase_add_test(tests, a_region_of_a_frame_is_the_frame);
  tcase_add_test(tests, a_shared_view_of_a_slot_is_still_the_slot);
  tcase_add_test(tests, a_slot_whose_view_was_narrowed_comes_back_whole);
  tcase_add_test(tests, every_branch_of_a_tee_holds_the_slot);
  tcase_add_test(tests, frames_outlive_element_pipeline_and_context);
  tcase_add_test(tests, new_caps_make_a_new_generation_and_keep_old_frames);
  tcase_add_test(tests, a_size_that_comes_back_gets_its_slots_back);
  tcase_add_test(tests, same_size_and_format_keep_the_generation);
  tcase_add_test(tests, memory_does_not_grow);
  tcase_add_test(tests, back_and_forth_between_two_sizes_a_thousand_times);
  tcase_add_test(tests, an_earlier_generation_shrinks_to_what_is_held);
  tcase_add_test(tests, a_pool_of_an_earlier_size_gives_no_slot);
  tcase_add_test(tests, statistics_tell_each_generation);
  tcase_add_test(tests, a_full_budget_drops_frames_until_old_ones_come_back);
  tcase_add_test(tests, without_room_for_one_frame_nothing_is_offered_until_there_is);
  tcase_add_test(tests, a_budget_for_less_than_the_slots_is_an_error_at_once);
  tcase_add_test(tests, frames_say_where_they_come_from);
  tcase_add_test(tests, capture_time_comes_from_the_camera);
  tcase_add_test(tests, one_slot_is_refused_with_a_sentence_that_says_what_to_do);
  tcase_add_test(tests, state_churn_while_frames_arrive);
  return suite;
}

int main(int argc, char **argv) {
  gst_check_init(&argc, &argv);
  if (TestMemory::wants_gpu() && !TestMemory::have_gpu()) {
    g_print("skipped: no GPU\n");
    return kSkipped;
  }
  return gst_check_run_suite(cudacampool_suite(), "cudacampool", __FILE__);
}
