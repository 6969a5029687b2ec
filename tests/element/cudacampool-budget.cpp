// SPDX-License-Identifier: LGPL-2.1-or-later
/// What vram-budget keeps to, whatever memory the slots are in: run for system memory and for the
/// GPU.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

// After the standard library, whose streams have members by the names of check's macros.
#include <gst/check/gstcheck.h>

#include "pool-bench.hpp"
#include "support/check-main.hpp"
#include "support/statistics.hpp"

using cudacam::BufferPtr;
using cudacam::test::filled_with;
using cudacam::test::number;
using cudacam::test::TestMemory;
using Bench = cudacam::test::PoolBench;

namespace {

/// Of one frame of that size, as the device rounds.
gsize bytes_of(const char *size) {
  const Bench bench("cudacampool", size);
  return bench.slot_bytes();
}

/// Of this process's address space.
rlim_t memory_in_use() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  fail_unless(pages > 0);
  return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
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

/// GStreamer takes them, but cannot count their bytes.
GST_START_TEST(pictures_of_any_size_are_an_error_at_most) {
  for (const char *size : {"width=536870912,height=1", "width=1073741824,height=1",
                           "width=1,height=2147483647", "width=2147483647,height=2147483647"}) {
    Bench bench("cudacampool", Bench::kNone);
    const cudacam::CapsPtr caps(gst_caps_from_string(TestMemory::get().caps(size).c_str()));
    gst_harness_set_src_caps(bench.harness(), gst_caps_ref(caps.get()));
    fail_unless(!bench.error().empty(), "no error for %s", size);
    fail_unless_equals_uint64(number(bench.pool(), "bytes-all-generations"), 0);
  }
}
GST_END_TEST

/// GStreamer's own allocator ends the process.
GST_START_TEST(a_host_without_memory_is_an_error_at_the_start_and_a_warning_later) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return;  // whose allocators end it as well
#endif
  if (TestMemory::get().on_gpu()) return;
  constexpr const char *kHuge = "width=32768,height=16384";  // 0.8 GB
  Bench running("cudacampool slots=2");
  Bench bench("cudacampool slots=2", Bench::kNone);
  const auto held = running.pass(1);
  struct rlimit before;
  fail_unless(getrlimit(RLIMIT_AS, &before) == 0);
  const rlimit little{memory_in_use() + 256 * 1024 * 1024, before.rlim_max};
  fail_unless(setrlimit(RLIMIT_AS, &little) == 0);
  bench.set_size(kHuge);
  running.set_size(kHuge);
  fail_unless(setrlimit(RLIMIT_AS, &before) == 0);
  fail_unless(bench.error().find("bytes was refused") != std::string::npos);
  fail_unless(running.warning().find("bytes was refused") != std::string::npos);
  running.set_size(Bench::kSmall);
  fail_unless(running.pass(2) != nullptr);
  fail_unless(running.error().empty());
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

static Suite *cudacampool_budget_suite() {
  auto *suite = suite_create("cudacampool-budget");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_full_budget_drops_frames_until_old_ones_come_back);
  tcase_add_test(tests, without_room_for_one_frame_nothing_is_offered_until_there_is);
  tcase_add_test(tests, a_host_without_memory_is_an_error_at_the_start_and_a_warning_later);
  tcase_add_test(tests, pictures_of_any_size_are_an_error_at_most);
  tcase_add_test(tests, a_budget_for_less_than_the_slots_is_an_error_at_once);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_budget,
                  TestMemory::wants_gpu() && !TestMemory::have_gpu() ? "no GPU" : "")
