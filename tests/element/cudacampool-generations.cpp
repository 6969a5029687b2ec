// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a change of size costs, whatever memory the slots are in: run for system memory and for the
/// GPU.
#include <gst/check/gstcheck.h>

#include "frame/frame-meta.h"
#include "pool-bench.hpp"
#include "support/check-main.hpp"
#include "support/statistics.hpp"

using cudacam::BufferPtr;
using cudacam::test::filled_with;
using cudacam::test::gpu_allocations;
using cudacam::test::number;
using cudacam::test::TestMemory;
using Bench = cudacam::test::PoolBench;

namespace {

GstMemory *memory(const BufferPtr &frame) {
  return gst_buffer_peek_memory(frame.get(), 0);
}

guint64 generation(const BufferPtr &frame) {
  return gst_buffer_get_cuda_cam_frame_meta(frame.get())->generation;
}

}  // namespace

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
  // One of them is held since then; nothing else of that time is left.
  bench.settle();
  fail_unless_equals_uint64(number(bench.pool(), "bytes-all-generations"), 4 * bench.slot_bytes());
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

static Suite *cudacampool_generations_suite() {
  auto *suite = suite_create("cudacampool-generations");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, new_caps_make_a_new_generation_and_keep_old_frames);
  tcase_add_test(tests, a_size_that_comes_back_gets_its_slots_back);
  tcase_add_test(tests, same_size_and_format_keep_the_generation);
  tcase_add_test(tests, memory_does_not_grow);
  tcase_add_test(tests, back_and_forth_between_two_sizes_a_thousand_times);
  tcase_add_test(tests, an_earlier_generation_shrinks_to_what_is_held);
  tcase_add_test(tests, a_pool_of_an_earlier_size_gives_no_slot);
  tcase_add_test(tests, statistics_tell_each_generation);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_generations,
                  TestMemory::wants_gpu() && !TestMemory::have_gpu() ? "no GPU" : "")
