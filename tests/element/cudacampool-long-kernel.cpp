// SPDX-License-Identifier: LGPL-2.1-or-later
/// A reader's work on the GPU that outlasts its lease, on whatever GPU there is, real or simulated.
/// The "kernel" waits for the test before it reads. Skipped where there is no GPU.
#include <condition_variable>
#include <mutex>

#include "fence-bench.hpp"
#include "support/check-main.hpp"

using namespace cudacam;
using namespace cudacam::test;

namespace {

/// Keeps a stream from going on until it is opened.
class Gate {
 public:
  explicit Gate(CUstream stream) {
    driver().cuLaunchHostFunc(stream, static_cast<CUhostFn>(pass), static_cast<void *>(this));
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

 private:
  static void CUDA_CB pass(void *data) {
    auto &gate = *static_cast<Gate *>(data);
    std::unique_lock lock(gate.mutex_);
    gate.opened_.wait(lock, [&] { return gate.open_; });
  }

  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

/// What a kernel reads in the frame of grey 1 when it starts after 30 more frames.
guint8 read_late(FenceBench &bench, void (*release)(const LeasePtr &, const Reader &)) {
  Reader reader(bench.gpu());
  std::vector<BufferPtr> frames;
  for (guint8 grey = 1; grey <= 31; ++grey) frames.push_back(bench.gpu().frame(grey));
  bench.push(std::move(frames[0]));
  const auto lease = bench.acquire();
  wait_on_stream(lease, reader);
  Gate gate(reader.stream());
  reader.launch(lease.get());
  release(lease, reader);
  for (std::size_t i = 1; i < frames.size(); ++i) {
    bench.push(std::move(frames[i]));
    const auto other = bench.acquire("other");
    fail_unless(gst_cuda_cam_lease_wait(other.get(), nullptr));
  }
  gate.open();
  return reader.result();
}

}  // namespace

GST_START_TEST(a_slot_that_was_released_after_a_kernel_is_not_written_under_it) {
  FenceBench bench("cudacampool name=pool slots=4 ! cudacamsink");
  fail_unless_equals_int(read_late(bench, release_after), 1);
  fail_unless_equals_uint64(bench.count("dropped"), 0);
  bench.await_no_pending_slot();
  if (bench.simulated) bench.expect_no_violation();
}
GST_END_TEST

/// What the documentation warns of. The simulated driver reports it.
GST_START_TEST(a_slot_that_was_just_released_is_written_under_the_kernel) {
  FenceBench bench("cudacampool name=pool slots=4 ! cudacamsink");
  const auto grey = read_late(bench, [](const LeasePtr &lease, const Reader &) {
    gst_cuda_cam_lease_release(lease.get());
  });
  fail_unless(grey != 1);
  if (bench.simulated) bench.expect_race();
}
GST_END_TEST

static Suite *cudacampool_long_kernel_suite() {
  auto *suite = suite_create("cudacampool-long-kernel");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_slot_that_was_released_after_a_kernel_is_not_written_under_it);
  tcase_add_test(tests, a_slot_that_was_just_released_is_written_under_the_kernel);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_long_kernel,
                  !adopt(gst_element_factory_find("cudaupload")) || !gst_cuda_load_library()
                      ? "no GPU that GStreamer can use"
                      : "")
