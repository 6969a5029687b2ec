// SPDX-License-Identifier: LGPL-2.1-or-later
/// What keeps a slot, and for how long, whatever memory it is in: run for system memory and for the
/// GPU.
#include <gst/check/gstcheck.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#ifdef HAVE_CUDA
#include "cuda/compat.hpp"
#endif
#include "pool-bench.hpp"
#include "support/check-main.hpp"
#include "support/pixels.hpp"
#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"

using cudacam::BufferPtr;
using cudacam::test::filled_with;
using cudacam::test::number;
using cudacam::test::read_pixels;
using cudacam::test::SimulatedDriver;
using cudacam::test::TestMemory;
using cudacam::test::wait_until;
using cudacam::test::write_noise;
using Bench = cudacam::test::PoolBench;

namespace {

GstMemory *memory(const BufferPtr &frame) {
  return gst_buffer_peek_memory(frame.get(), 0);
}

bool has_parts() {
#ifdef HAVE_CUDA
  return !TestMemory::get().on_gpu() || !cudacam::compat::readers_wait_for_memory();
#else
  return true;
#endif
}

}  // namespace

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

/// Of a part where memory has parts: from GStreamer 1.24 on CUDA memory is GStreamer's own, for
/// which gst_memory_share() calls a function that is not there; then of the whole.
GST_START_TEST(a_region_of_a_frame_is_the_frame) {
  Bench bench;
  auto frame = bench.pass(1);
  const bool whole = !has_parts();
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
  if (GST_MEMORY_IS_NO_SHARE(memory(frame)) || !has_parts()) return;
  gst_buffer_replace_all_memory(frame.get(), gst_memory_share(memory(frame), 0, -1));
  fail_unless_equals_int(bench.push(std::move(frame)), GST_FLOW_OK);
  fail_unless(filled_with(bench.pull().get(), bench.info(), 7));
  fail_unless_equals_uint64(number(bench.pool(), "copied"), 0);
}
GST_END_TEST

/// Elsewhere it is a frame like any other: from there on where it begins, and with slots of its
/// own.
GST_START_TEST(a_part_of_a_slot_is_copied_by_another_pool) {
  constexpr gsize kCut = 16;
  Bench bench, other("cudacampool slots=3", "width=48,height=48");
  auto frame = bench.write(0);
  write_noise(frame.get(), bench.info(), 1);
  fail_unless_equals_int(bench.push(std::move(frame)), GST_FLOW_OK);
  frame = bench.pull();
  fail_unless(frame != nullptr);
  frame.reset(gst_buffer_make_writable(frame.release()));
  gst_buffer_get_video_meta(frame.get())->width -= static_cast<guint>(kCut);
  gst_buffer_resize(frame.get(), kCut, -1);
  const auto pixels = read_pixels(frame.get(), other.info());
  fail_unless_equals_int(other.push(std::move(frame)), GST_FLOW_OK);
  const auto copied = other.pull();
  fail_unless(copied && read_pixels(copied.get(), other.info()) == pixels);
  fail_unless_equals_uint64(number(other.pool(), "copied"), 1);
  wait_until([&] { return number(bench.pool(), "slots-free") == 3; });
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
    wait_until([&] { return driver.counter(counter) == 0; }, counter);
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

static Suite *cudacampool_lifetime_suite() {
  auto *suite = suite_create("cudacampool-lifetime");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_slot_belongs_to_its_memory_not_to_its_buffer);
  tcase_add_test(tests, a_region_of_a_frame_is_the_frame);
  tcase_add_test(tests, a_shared_view_of_a_slot_is_still_the_slot);
  tcase_add_test(tests, a_part_of_a_slot_is_copied_by_another_pool);
  tcase_add_test(tests, a_slot_whose_view_was_narrowed_comes_back_whole);
  tcase_add_test(tests, every_branch_of_a_tee_holds_the_slot);
  tcase_add_test(tests, frames_outlive_element_pipeline_and_context);
  tcase_add_test(tests, state_churn_while_frames_arrive);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_lifetime,
                  TestMemory::wants_gpu() && !TestMemory::have_gpu() ? "no GPU" : "")
