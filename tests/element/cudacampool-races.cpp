// SPDX-License-Identifier: LGPL-2.1-or-later
/// The size changes while slots are written, held and released by other threads.
#include <gst/check/gstcheck.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "frame/frame-meta.h"
#include "pool-bench.hpp"
#include "support/check-main.hpp"
#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"
#ifdef HAVE_CUDA
#include "cuda/compat.hpp"
#include "cuda/stream.hpp"
#include "frame/fence.h"
#endif

using cudacam::BufferPtr;
using cudacam::test::filled_with;
using cudacam::test::gpu_allocations;
using cudacam::test::number;
using cudacam::test::SimulatedDriver;
using cudacam::test::TestMemory;
using cudacam::test::wait_until;
using Bench = cudacam::test::PoolBench;

namespace {

constexpr int kReaders = 3;
constexpr int kFrames = 600;

struct Frame {
  BufferPtr buffer;
  GstVideoInfo info;
  guint8 value;
};

/// Frames on their way to readers. Closed, it gives nothing any more.
class Way {
 public:
  void put(Frame frame) {
    const std::lock_guard lock(mutex_);
    frames_.push_back(std::move(frame));
    changed_.notify_one();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  bool get(Frame &frame) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !frames_.empty(); });
    if (frames_.empty()) return false;
    frame = std::move(frames_.front());
    frames_.pop_front();
    return true;
  }

 private:
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<Frame> frames_;
  bool closed_ = false;
};

/// Holds a few frames at a time, lets them go in any order, and looks at each as it comes and as it
/// goes. Returns how many had changed.
int read(Way &way, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Frame> held;
  int wrong = 0;
  const auto look = [&](const Frame &frame) {
    wrong += filled_with(frame.buffer.get(), frame.info, frame.value) ? 0 : 1;
  };
  Frame frame;
  while (way.get(frame)) {
    look(frame);
    held.push_back(std::move(frame));
    while (held.size() > random() % 4) {
      std::swap(held[random() % held.size()], held.back());
      look(held.back());
      held.pop_back();
    }
  }
  for (const auto &last : held) look(last);
  return wrong;
}

}  // namespace

GST_START_TEST(sizes_change_under_readers) {
  constexpr const char *kSizes[] = {Bench::kSmall, Bench::kLarge, "width=32,height=32"};
  std::mt19937 random(1);
  Way way;
  std::atomic<int> wrong{0};
  std::atomic<bool> ended{false};
  const auto budget = [] {  // for two generations, less than three
    const Bench largest("cudacampool", Bench::kLarge);
    return 12 * largest.slot_bytes();
  }();
  Bench bench(("cudacampool slots=4 vram-budget=" + std::to_string(budget)).c_str());
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kReaders; ++i) threads.emplace_back([&, i] { wrong += read(way, i); });
  threads.emplace_back([&] {  // somebody who watches
    while (!ended) {
      if (number(bench.pool(), "bytes-all-generations") > budget) ++wrong;
      g_thread_yield();
    }
  });
  guint64 delivered = 0;
  for (int i = 0; i < kFrames; ++i) {
    if (random() % 8 == 0) bench.set_size(kSizes[random() % 3]);
    const auto value = static_cast<guint8>(i);
    if (auto frame = i % 3 ? bench.pass(value) : bench.pass_foreign(value)) {
      ++delivered;
      way.put({std::move(frame), bench.info(), value});
    }
  }
  way.close();
  ended = true;
  for (auto &thread : threads) thread.join();
  fail_unless_equals_int(wrong, 0);
  fail_unless_equals_uint64(delivered + number(bench.pool(), "dropped"), kFrames);
  fail_unless(delivered > 0);
  bench.pass(1);  // by now all earlier generations are gone
  bench.settle();
  fail_unless_equals_uint64(number(bench.pool(), "bytes-all-generations"),
                            number(bench.pool(), "bytes"));
  while (!bench.warning().empty()) {
  }
  fail_unless(bench.error().empty());
}
GST_END_TEST

/// Also what upstream still writes when its size, and the element's part in it, is gone.
GST_START_TEST(memory_counts_until_it_is_freed) {
  Bench bench("cudacampool slots=2");
  const auto small = bench.slot_bytes();
  std::vector<BufferPtr> taken;
  while (taken.size() < 3) taken.push_back(bench.acquire());  // the last is the overflow slot
  cudacam::MemoryPtr written(gst_buffer_get_memory(taken.back().get(), 0));
  taken.clear();
  bench.set_size(Bench::kLarge);
  fail_unless(bench.pass(1) != nullptr);
  bench.settle();
  const auto others = [&] {
    return number(bench.pool(), "bytes-all-generations") - number(bench.pool(), "bytes");
  };
  fail_unless_equals_uint64(others(), small);
  written.reset();
  fail_unless_equals_uint64(others(), 0);
}
GST_END_TEST

#ifdef HAVE_CUDA

/// The copy of an old frame has not even begun when its reader is gone and the size another.
GST_START_TEST(the_size_changes_while_a_slot_is_written) {
  const SimulatedDriver driver;
  if (!driver || !TestMemory::get().on_gpu()) return;
  driver.let_free_wait(false);  // memory that is freed too early is seen to be used
  Bench bench("cudacampool slots=2 sync-mode=gpu");
  bench.set_size(Bench::kLarge);
  bench.settle();
  const auto settled = gpu_allocations();
  bench.set_size(Bench::kSmall);
  bench.settle();
  auto source = bench.foreign(1);
  driver.hold_all(true);
  bench.push(std::move(source));
  auto held = bench.pull();
  fail_unless(held != nullptr);

  bench.set_size(Bench::kLarge);  // these return, although the stream is held
  held.reset();
  fail_unless_equals_uint64(number(bench.pool(), "slots"), 2);
  fail_unless(number(bench.pool(), "bytes-being-freed") > 0);

  driver.hold_all(false);
  bench.settle();
  wait_until([&] { return gpu_allocations() == settled; });  // the source is gone, too
  fail_unless_equals_int(driver.violations(), 0);
  fail_unless(bench.pass(2) != nullptr);
}
GST_END_TEST

/// The same with every slot out: then the last reader's release is the end of the old size.
GST_START_TEST(the_last_release_of_an_old_size_waits_for_nothing) {
  const SimulatedDriver driver;
  if (!driver || !TestMemory::get().on_gpu()) return;
  driver.let_free_wait(false);
  Bench bench("cudacampool slots=2 sync-mode=gpu");
  std::vector<BufferPtr> frames, held;
  for (int i = 0; i < 2; ++i) frames.push_back(bench.foreign(1));
  driver.hold_all(true);
  for (auto &frame : frames) {
    bench.push(std::move(frame));
    held.push_back(bench.pull());
    fail_unless(held.back() != nullptr);
  }
  bench.set_size(Bench::kLarge);
  held.clear();  // returns, although the stream is held
  fail_unless(number(bench.pool(), "bytes-being-freed") > 0);
  driver.hold_all(false);
  bench.settle();
  fail_unless_equals_int(driver.violations(), 0);
}
GST_END_TEST

namespace {

/// Work on the GPU that has to do with no slot, and ends when it is told.
class OthersWork {
 public:
  explicit OthersWork(GstCudaContext *context) : stream_(context, CU_STREAM_NON_BLOCKING) {
    const cudacam::ContextScope scope(context);
    for (auto *memory : {&from_, &to_}) cudacam::driver().cuMemAlloc(memory, std::size_t{64});
    driver_.hold(stream_.handle(), true);
    CUDA_MEMCPY2D copy{};
    copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    copy.srcDevice = from_;
    copy.dstDevice = to_;
    copy.WidthInBytes = 64;
    copy.Height = 1;
    cudacam::driver().cuMemcpy2DAsync(&copy, stream_.handle());
  }
  ~OthersWork() {
    const cudacam::ContextScope scope(stream_.context());
    for (auto memory : {from_, to_}) cudacam::driver().cuMemFree.quiet(memory);
  }
  OthersWork(const OthersWork &) = delete;
  OthersWork &operator=(const OthersWork &) = delete;
  void end() const { driver_.hold(stream_.handle(), false); }

 private:
  const SimulatedDriver driver_;
  const cudacam::Stream stream_;
  CUdeviceptr from_ = 0, to_ = 0;
};

}  // namespace

/// The driver frees memory, on the GPU and pinned, when all of the GPU's work has ended.
GST_START_TEST(the_last_release_of_an_old_size_waits_for_nobody_elses_work) {
  const SimulatedDriver driver;
  if (!driver || !TestMemory::get().on_gpu()) return;
  Bench bench("cudacampool slots=2");
  std::vector<BufferPtr> held;  // all of the slots: none is freed before the last
  while (held.size() < 2) held.push_back(bench.pass(1));
  fail_unless(filled_with(held[0].get(), bench.info(), 1));  // it has pinned memory, too
  const OthersWork work(TestMemory::get().context().get());
  bench.set_size(Bench::kLarge);
  held.clear();  // returns
  fail_unless(number(bench.pool(), "bytes-being-freed") > 0);
  work.end();
  bench.settle();
  fail_unless_equals_uint64(number(bench.pool(), "bytes-all-generations"),
                            number(bench.pool(), "bytes"));
  fail_unless_equals_int64(driver.counter("pinned.live"), 0);
}
GST_END_TEST

/// When the element has stopped, who released the last frame may end the context next; also when it
/// was started again since.
GST_START_TEST(the_last_release_after_the_element_has_freed_all) {
  const SimulatedDriver driver;
  if (!driver || !TestMemory::get().on_gpu()) return;
  for (const bool started_again : {false, true}) {
    auto bench = std::make_unique<Bench>("cudacampool slots=2");
    auto held = bench->pass(1);
    if (started_again) {
      auto *harness = bench->harness();
      gst_element_set_state(harness->element, GST_STATE_NULL);
      gst_element_set_state(harness->element, GST_STATE_PLAYING);
      gst_harness_play(harness);
      gst_harness_push_event(harness, gst_event_new_stream_start("again"));
      bench->set_size(Bench::kLarge);
      fail_unless_equals_uint64(number(bench->pool(), "slots"), 2);
      bench->settle();
    } else {
      bench.reset();
    }
    const auto freed = driver.calls_by_thread("cuMemAddressFree");
    held.reset();
    fail_unless(driver.calls_by_thread("cuMemAddressFree") > freed);
  }
}
GST_END_TEST

/// A reader's kernel still reads when the reader has released the frame and the size is another.
GST_START_TEST(the_size_changes_while_a_released_slot_is_read) {
  const SimulatedDriver driver;
  if (!driver || !TestMemory::get().on_gpu()) return;
  driver.let_free_wait(false);
  Bench bench("cudacampool slots=2");
  auto frame = bench.pass(7);
  auto *memory = GST_CUDA_MEMORY_CAST(gst_buffer_peek_memory(frame.get(), 0));
  const auto context = cudacam::share(memory->context);
  const cudacam::Stream reader(context.get(), CU_STREAM_NON_BLOCKING);
  driver.hold(reader.handle(), true);
  // As a kernel does: into other memory of the GPU.
  GstMapInfo map;
  fail_unless(gst_buffer_map(frame.get(), &map, GstMapFlags(GST_MAP_READ | GST_MAP_CUDA)));
  std::vector<guint8> row(64);
  CUdeviceptr result = 0;
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = reinterpret_cast<CUdeviceptr>(map.data);
  copy.WidthInBytes = row.size();
  copy.Height = 1;
  {
    const cudacam::ContextScope scope(context.get());
    cudacam::driver().cuMemAlloc(&result, row.size());
    copy.dstDevice = result;
    cudacam::driver().cuMemcpy2DAsync(&copy, reader.handle());
  }
  gst_buffer_unmap(frame.get(), &map);
  auto *fence = gst_cuda_cam_buffer_get_fence(frame.get());
  fail_unless(gst_cuda_cam_fence_add_reader(fence, reader.handle(), nullptr));
  frame.reset();

  bench.set_size(Bench::kLarge);
  fail_unless(bench.pass(8) != nullptr);
  driver.hold(reader.handle(), false);
  copy.srcDevice = result;
  copy.dstMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstHost = row.data();
  {
    const cudacam::ContextScope scope(context.get());
    cudacam::driver().cuMemcpy2DAsync(&copy, reader.handle());
    cudacam::driver().cuStreamSynchronize(reader.handle());
    cudacam::driver().cuMemFree(result);
  }
  fail_unless_equals_int(row[0], 7);
  fail_unless_equals_int(row[63], 7);
  fail_unless_equals_int(driver.violations(), 0);
}
GST_END_TEST

#endif

static Suite *cudacampool_races_suite() {
  auto *suite = suite_create("cudacampool-races");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, sizes_change_under_readers);
  tcase_add_test(tests, memory_counts_until_it_is_freed);
#ifdef HAVE_CUDA
  tcase_add_test(tests, the_size_changes_while_a_slot_is_written);
  tcase_add_test(tests, the_last_release_of_an_old_size_waits_for_nothing);
  tcase_add_test(tests, the_last_release_of_an_old_size_waits_for_nobody_elses_work);
  tcase_add_test(tests, the_last_release_after_the_element_has_freed_all);
  tcase_add_test(tests, the_size_changes_while_a_released_slot_is_read);
#endif
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_races,
                  TestMemory::wants_gpu() && !TestMemory::have_gpu() ? "no GPU" : "")
