// SPDX-License-Identifier: LGPL-2.1-or-later
/// Every call to the driver fails once, at start, mid-stream and at teardown: one run for each call
/// of a run that goes well, so that new calls are tested without a line here. Takes the simulated
/// driver.
#include <gst/check/gstcheck.h>
#include <sys/mman.h>

#include <optional>
#include <string>
#include <vector>

#include "cuda/driver.hpp"
#include "pool-bench.hpp"
#include "pool/store.hpp"
#include "support/check-main.hpp"
#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"

using cudacam::BufferPtr;
using cudacam::Store;
using cudacam::test::number;
using cudacam::test::SimulatedDriver;
using cudacam::test::TestMemory;
using cudacam::test::wait_until;
using Bench = cudacam::test::PoolBench;

namespace {

// Through a second macro, for cuda.h's own: cuMemAlloc means cuMemAlloc_v2.
#define NAME_OF(name) #name,
/// All functions that the plugin calls, itself or through GStreamer's CUDA library.
constexpr const char *kFunctions[] = {CUDACAM_DRIVER_CALLS(NAME_OF)};
constexpr std::size_t kFunctionCount = sizeof kFunctions / sizeof *kFunctions;

/// Calls so far: of all threads, and of this one.
struct Calls {
  std::uint64_t all = 0, mine = 0;
};

Calls count_calls() {
  const SimulatedDriver driver;
  Calls calls;
  for (const auto *function : kFunctions) {
    calls.all += driver.calls(function);
    calls.mine += driver.calls_by_thread(function);
  }
  return calls;
}

/// What the thread that frees memory may still do when another one finds out that the driver is
/// lost: one call of ours that is under way, and, from GStreamer 1.24 on, the calls that its
/// gst_cuda_allocator_free() makes around ours (cuCtxPushCurrent, cuStreamSynchronize,
/// cuMemFreeHost, cuCtxPopCurrent) for the one memory that it is at.
constexpr std::uint64_t kRestOfOneFree = 5;

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

/// What one run of a camera's life showed.
struct Outcome {
  std::vector<std::string> errors, warnings;
  unsigned pushed = 0, delivered = 0;
  guint64 dropped = 0;
  bool lost_before_last_push = false;  // the process's driver
  std::optional<Calls> told;           // when the error was posted
  std::optional<Calls> settled;        // and when what was being freed then is
  Calls at_end;
};

/// Frames that upstream allocated itself, of both sizes: made before anything fails.
struct Sources {
  std::vector<BufferPtr> small, large;
};

Sources make_sources() {
  Sources sources;
  for (const auto &[size, frames] :
       {std::pair{Bench::kSmall, &sources.small}, std::pair{Bench::kLarge, &sources.large}}) {
    GstVideoInfo info;
    const cudacam::CapsPtr caps(gst_caps_from_string(TestMemory::get().caps(size).c_str()));
    fail_unless(gst_video_info_from_caps(&info, caps.get()));
    for (int i = 0; i < 2; ++i) {
      frames->push_back(TestMemory::get().allocate(info));
      TestMemory::get().fill(frames->back().get(), info, 1);
    }
  }
  return sources;
}

/// A start, frames that are copied and frames that upstream writes, a new size, a reader that keeps
/// a frame for longer than the element lives.
Outcome live(const Sources &sources) {
  const SimulatedDriver driver;
  Outcome outcome;
  std::vector<BufferPtr> held;
  cudacam::ObjectPtr<GstElement> pool;  // to be asked when it has stopped
  {
    Bench bench("cudacampool slots=2 camera-name=yard", Bench::kNone);
    pool = cudacam::share(bench.pool());
    gst_bus_set_sync_handler(
        bench.bus(),
        [](GstBus *, GstMessage *message, gpointer data) {
          auto &shown = *static_cast<Outcome *>(data);
          GError *error = nullptr;
          if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
            gst_message_parse_error(message, &error, nullptr);
            if (!shown.told) shown.told = count_calls();
            shown.errors.push_back(error->message);
          } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
            gst_message_parse_warning(message, &error, nullptr);
            shown.warnings.push_back(error->message);
          }
          if (error) g_error_free(error);
          return GST_BUS_PASS;
        },
        &outcome, nullptr);
    const auto pass = [&](BufferPtr frame) {
      ++outcome.pushed;
      bench.push(std::move(frame));
      if (outcome.told && !outcome.settled) {
        bench.settle();
        outcome.settled = count_calls();
      }
      auto out = bench.pull();
      if (out) ++outcome.delivered;
      fail_unless(!out || Store::origin(out.get()) == Store::Origin::kSlot,
                  "a frame left in memory that is not ours");
      return out;
    };
    const auto copied = [&](const BufferPtr &source) {
      return pass(BufferPtr(gst_buffer_copy(source.get())));
    };
    bench.set_size(Bench::kSmall);
    held.push_back(copied(sources.small[0]));
    if (auto frame = bench.acquire()) pass(std::move(frame));
    copied(sources.small[1]);
    bench.set_size(Bench::kLarge);
    held.push_back(copied(sources.large[0]));
    if (auto frame = bench.acquire()) pass(std::move(frame));
    outcome.lost_before_last_push = driver.error() != 0;
    copied(sources.large[1]);
    outcome.dropped = number(bench.pool(), "dropped");
  }
  held.clear();
  wait_until([&] { return number(pool.get(), "bytes-being-freed") == 0; });
  pool.reset();
  outcome.at_end = count_calls();
  return outcome;
}

enum class Kind { kRefused, kSticky, kAsynchronous };

struct Case {
  Kind kind;
  unsigned function;
  unsigned call;  // from 1
};

std::uint64_t *counts;  // calls of each function in the good run; shared with the tests' processes

std::vector<Case> list_cases() {
  std::vector<Case> all;
  for (unsigned f = 0; f < kFunctionCount; ++f)
    for (unsigned call = 1; call <= counts[f]; ++call) {
      all.push_back({Kind::kRefused, f, call});
      all.push_back({Kind::kSticky, f, call});
      const std::string name = kFunctions[f];
      if (contains(name, "Async") || contains(name, "Launch"))
        all.push_back({Kind::kAsynchronous, f, call});
    }
  return all;
}

std::vector<Case> cases;  // filled by main(), before any test

}  // namespace

GST_START_TEST(a_good_run_counts_its_calls) {
  const SimulatedDriver driver;
  const auto sources = make_sources();
  for (std::size_t f = 0; f < kFunctionCount; ++f) counts[f] = driver.calls(kFunctions[f]);
  const auto outcome = live(sources);
  for (std::size_t f = 0; f < kFunctionCount; ++f)
    counts[f] = driver.calls(kFunctions[f]) - counts[f];
  fail_unless(outcome.errors.empty() && outcome.warnings.empty());
  fail_unless_equals_int(outcome.pushed, 6);
  fail_unless_equals_int(outcome.delivered, 6);
}
GST_END_TEST

GST_START_TEST(one_call_fails) {
  const auto &one = cases[static_cast<std::size_t>(__i__)];
  const std::string function = kFunctions[one.function];
  const bool refused = one.kind == Kind::kRefused;
  const std::string code = refused                     ? "CUDA_ERROR_INVALID_VALUE"
                           : one.kind == Kind::kSticky ? "CUDA_ERROR_LAUNCH_FAILED"
                                                       : "CUDA_ERROR_ILLEGAL_ADDRESS";
  const auto fault = function + "@" + std::to_string(one.call) +
                     (one.kind == Kind::kAsynchronous ? "!" : "=") + code;
  const SimulatedDriver driver;
  auto sources = make_sources();
  fail_unless(driver.fault(fault), "%s", fault.c_str());
  const auto outcome = live(sources);

  // Told once, or the element could go on.
  fail_unless(outcome.errors.size() <= 1, "%s: two errors: %s and %s", fault.c_str(),
              outcome.errors[0].c_str(), outcome.errors[1].c_str());
  fail_unless(outcome.warnings.size() <= 1, "%s: two warnings", fault.c_str());
  const auto told = outcome.errors.empty() ? outcome.warnings : outcome.errors;
  // Of some calls of its own GStreamer says only that memory cannot be mapped.
  const bool silent = refused && !told.empty() && contains(told[0], "cannot be mapped");
  for (const auto &text : told)
    for (const auto &part : {std::string("yard"), std::string("CUDA device 0"), code})
      fail_unless(contains(text, part) || (silent && part == code), "%s: no %s in: %s",
                  fault.c_str(), part.c_str(), text.c_str());
  // A sticky error that GStreamer's own call got is seen by the next of ours.
  if (!told.empty() && refused && !silent)
    fail_unless(contains(told[0], function + ":"), "%s is not named in: %s", function.c_str(),
                told[0].c_str());

  if (refused) {
    fail_unless_equals_int(driver.error(), 0);
    if (outcome.errors.empty()) {
      // It did go on, and told what it lost.
      fail_unless_equals_uint64(outcome.delivered + outcome.dropped, outcome.pushed);
      fail_unless(outcome.dropped == 0 || !outcome.warnings.empty(),
                  "%s: a frame was lost in silence", fault.c_str());
    }
  } else if (outcome.lost_before_last_push) {
    fail_unless(outcome.errors.size() == 1, "%s: nothing was said", fault.c_str());
    fail_unless(outcome.at_end.mine == outcome.told->mine &&
                    outcome.settled->all - outcome.told->all <= kRestOfOneFree &&
                    outcome.at_end.all == outcome.settled->all,
                "%s: after the error was told %u calls by the camera's thread, %u by that which "
                "frees, %u more later",
                fault.c_str(), static_cast<unsigned>(outcome.at_end.mine - outcome.told->mine),
                static_cast<unsigned>(outcome.settled->all - outcome.told->all),
                static_cast<unsigned>(outcome.at_end.all - outcome.settled->all));
  }

  // The test's own frames are freed as on a driver that works again.
  driver.clear_faults();
  driver.set_error(0);
  sources = {};
  TestMemory::get().forget();
  fail_unless_equals_int(driver.violations(), 0);
}
GST_END_TEST

GST_START_TEST(a_start_after_the_driver_is_lost_says_so_again) {
  const SimulatedDriver driver;
  const auto sources = make_sources();
  driver.set_error(CUDA_ERROR_ILLEGAL_ADDRESS);
  for (int i = 0; i < 2; ++i) {
    const auto outcome = live(sources);
    fail_unless_equals_int(outcome.errors.size(), 1);
    for (const char *part : {"yard", "CUDA device 0", "CUDA_ERROR_ILLEGAL_ADDRESS"})
      fail_unless(contains(outcome.errors[0], part), "no %s in: %s", part,
                  outcome.errors[0].c_str());
    fail_unless_equals_int(outcome.delivered, 0);
    if (i) fail_unless_equals_uint64(outcome.at_end.all, outcome.told->all);
  }
  driver.set_error(0);
}
GST_END_TEST

static Suite *good_run_suite() {
  auto *suite = suite_create("cudacampool-good-run");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_good_run_counts_its_calls);
  return suite;
}

static Suite *cudacampool_faults_suite() {
  auto *suite = suite_create("cudacampool-faults");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_loop_test(tests, one_call_fails, 0, static_cast<int>(cases.size()));
  tcase_add_test(tests, a_start_after_the_driver_is_lost_says_so_again);
  return suite;
}

int main(int argc, char **argv) {
  gst_check_init(&argc, &argv);
  if (!SimulatedDriver() || !TestMemory::wants_gpu() || !TestMemory::have_gpu())
    return skipped("only the simulated driver fails on demand");
  counts =
      static_cast<std::uint64_t *>(mmap(nullptr, sizeof(std::uint64_t) * kFunctionCount,
                                        PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (gst_check_run_suite(good_run_suite(), "cudacampool-good-run", __FILE__)) return 1;
  cases = list_cases();
  g_print("%u calls fail, one at a time\n", static_cast<unsigned>(cases.size()));
  return gst_check_run_suite(cudacampool_faults_suite(), "cudacampool-faults", __FILE__);
}
