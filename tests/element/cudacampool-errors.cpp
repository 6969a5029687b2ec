// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a camera says and does when the driver refuses a copy or memory, or is lost. Takes the
/// simulated driver.
#include <gst/check/gstcheck.h>

#include <string>
#include <vector>

#include "cuda/compat.hpp"
#include "cuda/context.hpp"
#include "cuda/driver.hpp"
#include "pool-bench.hpp"
#include "support/check-main.hpp"
#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"

using cudacam::BufferPtr;
using cudacam::test::number;
using cudacam::test::SimulatedDriver;
using cudacam::test::TestMemory;
using Bench = cudacam::test::PoolBench;

namespace {

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

/// Bytes of device memory that are taken.
std::uint64_t used_memory() {
  const auto context = TestMemory::get().context();
  const cudacam::ContextScope scope(context.get());
  size_t free = 0, total = 0;
  cudacam::driver().cuMemGetInfo(&free, &total);
  return total - free;
}

}  // namespace

/// Also of cameras whose frames need no call of ours.
GST_START_TEST(what_one_camera_finds_out_stops_all) {
  const SimulatedDriver driver;
  Bench yard("cudacampool camera-name=yard"), street("cudacampool camera-name=street");
  auto copied = yard.foreign(1);
  auto written = street.write(2);
  driver.set_error(CUDA_ERROR_ILLEGAL_ADDRESS);
  fail_unless_equals_int(yard.push(std::move(copied)), GST_FLOW_ERROR);
  fail_unless_equals_int(street.push(std::move(written)), GST_FLOW_ERROR);
  for (auto *bench : {&yard, &street}) {
    const auto error = bench->error();
    for (const char *part :
         {bench == &yard ? "yard" : "street", "CUDA device 0", "cu", "CUDA_ERROR_ILLEGAL_ADDRESS"})
      fail_unless(contains(error, part), "no %s in: %s", part, error.c_str());
    fail_unless(bench->error().empty(), "a second error");
  }
}
GST_END_TEST

/// Those of which cuda.h says that the process is to be started again.
GST_START_TEST(after_some_errors_no_call_is_made_any_more) {
  const SimulatedDriver driver;
  constexpr int kCodes[] = {214, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911};
  const auto code = kCodes[__i__ % G_N_ELEMENTS(kCodes)];
  Bench bench("cudacampool camera-name=yard");
  auto copied = bench.foreign(1);
  fail_unless(driver.fault("cuLaunchKernel@1=" + std::to_string(code) +
                           ";cuMemcpy2DAsync@1=" + std::to_string(code)));
  fail_unless_equals_int(bench.push(std::move(copied)), GST_FLOW_ERROR);
  driver.clear_faults();
  fail_unless(contains(bench.error(), ": CUDA_ERROR_"));
}
GST_END_TEST

/// Even where the element's is the last reference to it.
GST_START_TEST(a_lost_driver_is_not_asked_to_end_a_context) {
  const SimulatedDriver driver;
  auto context = cudacam::adopt(gst_cuda_context_new(0));
  Bench yard("cudacampool camera-name=yard");
  auto *street = gst_check_setup_element("cudacampool");
  auto *shared = gst_context_new_cuda_context(context.get());
  context.reset();
  gst_element_set_context(street, shared);
  gst_context_unref(shared);
  gst_element_set_state(street, GST_STATE_PAUSED);
  auto copied = yard.foreign(1);
  driver.set_error(CUDA_ERROR_ILLEGAL_ADDRESS);
  fail_unless_equals_int(yard.push(std::move(copied)), GST_FLOW_ERROR);
  gst_element_set_state(street, GST_STATE_NULL);
  gst_check_teardown_element(street);
  fail_unless_equals_uint64(driver.calls("cuCtxDestroy"), 0);
}
GST_END_TEST

GST_START_TEST(copies_that_always_fail_end_in_one_error) {
  const SimulatedDriver driver;
  Bench bench("cudacampool slots=3 camera-name=yard");
  std::vector<BufferPtr> frames;  // written before their copies fail
  for (int i = 0; i < 10; ++i) frames.push_back(bench.foreign(1));
  fail_unless(driver.fault("cuMemcpy2DAsync@*=1;cuLaunchKernel@*=1"));
  unsigned warnings = 0;
  for (auto &frame : frames) {
    bench.push(std::move(frame));
    while (!bench.warning().empty()) ++warnings;
  }
  // Three are replaced, one more is lost; with the next there are too few.
  fail_unless_equals_int(warnings, 4);
  const auto error = bench.error();
  fail_unless(contains(error, "yard") && contains(error, "CUDA_ERROR_INVALID_VALUE"), "%s",
              error.c_str());
  fail_unless(bench.error().empty());
  fail_unless_equals_uint64(number(bench.pool(), "slots-retired"), 5);
  fail_unless_equals_uint64(number(bench.pool(), "write-errors"), 5);
}
GST_END_TEST

GST_START_TEST(a_retired_slot_is_replaced_and_never_written_again) {
  const SimulatedDriver driver;
  Bench bench("cudacampool slots=3 camera-name=yard");
  const auto bytes = number(bench.pool(), "bytes");
  auto frame = bench.foreign(1);
  fail_unless(driver.fault("cuMemcpy2DAsync@2=1;cuLaunchKernel@1=1"));  // the second plane
  fail_unless_equals_int(bench.push(std::move(frame)), GST_FLOW_OK);
  fail_unless(!bench.pull());
  driver.clear_faults();
  const auto warning = bench.warning();
  for (const char *part : {"yard", "CUDA device 0", "CUDA_ERROR_INVALID_VALUE", "3 of 3 slots"})
    fail_unless(contains(warning, part), "no %s in: %s", part, warning.c_str());

  std::vector<BufferPtr> held;
  for (guint8 i = 0; i < 3; ++i) {
    held.push_back(bench.pass(i));
    fail_unless(held.back() && cudacam::test::filled_with(held.back().get(), bench.info(), i));
  }
  fail_unless(!bench.pass(9));
  fail_unless_equals_uint64(number(bench.pool(), "slots"), 3);
  fail_unless_equals_uint64(number(bench.pool(), "slots-retired"), 1);
  fail_unless_equals_uint64(number(bench.pool(), "bytes"), bytes / 4 * 5);
}
GST_END_TEST

GST_START_TEST(no_memory_at_the_start_is_an_error_with_the_sizes) {
  const SimulatedDriver driver;
  TestMemory::get();  // has what it needs
  driver.limit_memory(used_memory() + 4000000);
  Bench bench("cudacampool slots=3 camera-name=yard", "width=1920,height=1080");
  const auto error = bench.error();
  for (const char *part : {"yard", "CUDA device 0", "cuMemCreate", "CUDA_ERROR_OUT_OF_MEMORY",
                           "bytes are free", "3 of 3 slots of"})
    fail_unless(contains(error, part), "no %s in: %s", part, error.c_str());
  fail_unless(bench.error().empty(), "a second error");
}
GST_END_TEST

GST_START_TEST(no_memory_at_a_generation_change_is_asked_for_again) {
  const SimulatedDriver driver;
  Bench bench("cudacampool slots=3 camera-name=yard");
  const auto info = bench.info();
  const auto held = bench.pass(1);
  driver.limit_memory(used_memory());
  bench.set_size("width=1920,height=1080");
  const auto warning = bench.warning();
  for (const char *part : {"yard", "CUDA device 0", "CUDA_ERROR_OUT_OF_MEMORY", "3 of 3 slots of"})
    fail_unless(contains(warning, part), "no %s in: %s", part, warning.c_str());
  fail_unless(bench.error().empty());
  fail_unless(cudacam::test::filled_with(held.get(), info, 1));

  // Without a slot the source is not looked at.
  const BufferPtr any(gst_buffer_new_allocate(nullptr, 16, nullptr));
  for (int i = 0; i < 5; ++i) {
    fail_unless_equals_int(bench.push(cudacam::share(any.get())), GST_FLOW_OK);
    fail_unless(!bench.pull());
  }
  fail_unless_equals_uint64(number(bench.pool(), "dropped"), 5);
  fail_unless(bench.warning().empty(), "it was said already");

  // Somebody else's memory is free again: seen within a second.
  driver.limit_memory(std::uint64_t{1} << 32);
  BufferPtr frame;
  for (const auto limit = g_get_monotonic_time() + 60 * G_TIME_SPAN_SECOND;
       !frame && g_get_monotonic_time() < limit;) {
    frame = bench.pass_foreign(2);
    g_thread_yield();
  }
  fail_unless(frame != nullptr);
  fail_unless_equals_uint64(number(bench.pool(), "slots"), 3);
  fail_unless(cudacam::test::filled_with(held.get(), info, 1));
}
GST_END_TEST

/// Memory is there, but what orders the GPU's work on it cannot be made: the memory goes back.
GST_START_TEST(a_slot_without_a_fence_leaves_no_bytes_behind) {
  const SimulatedDriver driver;
  Bench bench("cudacampool slots=2");
  bench.set_size(Bench::kLarge);
  bench.settle();
  fail_unless(driver.fault("cuEventCreate@*=CUDA_ERROR_INVALID_VALUE"));
  bench.set_size(Bench::kSmall);
  driver.clear_faults();
  fail_unless(contains(bench.warning() + bench.error(), "cuEventCreate"));
  bench.settle();
  fail_unless_equals_uint64(number(bench.pool(), "bytes-all-generations"),
                            number(bench.pool(), "bytes"));
}
GST_END_TEST

GST_START_TEST(memory_that_an_old_reader_gives_back_is_used_at_once) {
  const SimulatedDriver driver;
  Bench bench("cudacampool slots=3 camera-name=yard", Bench::kLarge);
  std::vector<BufferPtr> held;
  for (guint8 i = 0; i < 3; ++i) held.push_back(bench.pass(i));
  driver.limit_memory(used_memory());
  bench.set_size(Bench::kSmall);
  fail_unless(!bench.warning().empty());
  held.clear();
  bench.settle();
  const BufferPtr any(gst_buffer_new_allocate(nullptr, 16, nullptr));
  bench.push(cudacam::share(any.get()));
  fail_unless_equals_uint64(number(bench.pool(), "slots"), 3);
}
GST_END_TEST

static Suite *cudacampool_errors_suite() {
  auto *suite = suite_create("cudacampool-errors");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, what_one_camera_finds_out_stops_all);
  tcase_add_loop_test(tests, after_some_errors_no_call_is_made_any_more, 0, 14);
  tcase_add_test(tests, a_lost_driver_is_not_asked_to_end_a_context);
  tcase_add_test(tests, copies_that_always_fail_end_in_one_error);
  tcase_add_test(tests, a_retired_slot_is_replaced_and_never_written_again);
  tcase_add_test(tests, no_memory_at_the_start_is_an_error_with_the_sizes);
  tcase_add_test(tests, no_memory_at_a_generation_change_is_asked_for_again);
  tcase_add_test(tests, a_slot_without_a_fence_leaves_no_bytes_behind);
  tcase_add_test(tests, memory_that_an_old_reader_gives_back_is_used_at_once);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_errors,
                  !SimulatedDriver() || !TestMemory::wants_gpu() || !TestMemory::have_gpu()
                      ? "only the simulated driver fails on demand"
                      : "")
