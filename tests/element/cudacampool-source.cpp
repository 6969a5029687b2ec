// SPDX-License-Identifier: LGPL-2.1-or-later
/// The frame that a cudacampool copies: what is refused, and for how long the rest is kept, by the
/// slot's fence too. On a GPU, real or simulated; some need the simulated driver's control.
#include <condition_variable>
#include <mutex>
#include <string>

#include "cuda/copy.hpp"
#include "cuda/fence.hpp"
#include "cuda/mapped-frame.hpp"
#include "cuda/stream.hpp"
#include "foreign-bench.hpp"
#include "support/check-main.hpp"
#include "support/simulated-driver.hpp"
#include "support/stock-memory.hpp"
#include "support/wait-until.hpp"

using cudacam::BufferPtr;
using cudacam::CudaContextPtr;
using namespace cudacam::test;
using Pool = cudacam::test::ForeignBench;

namespace {

/// A frame in memory that the driver copies from in its own time.
class PinnedFrame {
 public:
  explicit PinnedFrame(GstCudaContext *context, const GstVideoInfo &info)
      : context_(cudacam::share(context)) {
    const cudacam::ContextScope scope(context);
    CUDA_CALL(cuMemAllocHost)(&bytes_, info.size);
    buffer_ = BufferPtr(gst_buffer_new_wrapped_full(GstMemoryFlags(0), bytes_, info.size, 0,
                                                    info.size, this, gone));
  }
  ~PinnedFrame() {
    const cudacam::ContextScope scope(context_.get());
    CUDA_CALL(cuMemFreeHost)(bytes_);
  }
  GstBuffer *get() const { return buffer_.get(); }
  BufferPtr release() { return std::move(buffer_); }
  bool is_gone() {
    const std::lock_guard lock(mutex_);
    return gone_;
  }
  void wait_until_gone() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return gone_; });
  }

 private:
  static void gone(gpointer data) {
    auto *self = static_cast<PinnedFrame *>(data);
    const std::lock_guard lock(self->mutex_);
    self->gone_ = true;
    self->changed_.notify_all();
  }

  CudaContextPtr context_;
  void *bytes_ = nullptr;
  BufferPtr buffer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool gone_ = false;
};

}  // namespace

GST_START_TEST(a_frame_smaller_than_its_caps_is_refused) {
  const auto context = make_context();
  const auto info = info_of("NV12", 322, 182);
  const auto small = info_of("NV12", 320, 182);
  const auto frame = stock_frame(context.get(), small), slot = stock_frame(context.get(), info);
  cudacam::FrameCopier copier(context.get());
  const cudacam::Stream stream(context.get());
  std::string said;
  try {
    copier.enqueue(info, frame.get(), slot.get(), stream.view());
  } catch (const std::runtime_error &error) {
    said = error.what();
  }
  fail_unless(said.find("not what its caps say") != std::string::npos, "%s", said.c_str());
}
GST_END_TEST

/// GStreamer maps a copy of memory that it cannot map, and puts it into the buffer: what was
/// written there would not be in the slot.
GST_START_TEST(a_frame_is_never_mapped_as_a_copy_of_itself) {
  const auto context = make_context();
  const auto info = info_of("NV12", 64, 48);
  const auto frame = stock_frame(context.get(), info);
  auto *memory = gst_buffer_peek_memory(frame.get(), 0);
  const BufferPtr other(gst_buffer_new());
  gst_buffer_append_memory(other.get(), gst_memory_ref(memory));  // of two: not to be written
  std::string said;
  try {
    const cudacam::MappedFrame mapped(info, frame.get(), GST_MAP_WRITE);
  } catch (const std::runtime_error &error) {
    said = error.what();
  }
  fail_unless(said.find("cannot be mapped") != std::string::npos, "%s", said.c_str());
  fail_unless(gst_buffer_peek_memory(frame.get(), 0) == memory, "it was replaced");
  const cudacam::MappedFrame read(info, frame.get(), GST_MAP_READ);
}
GST_END_TEST

GST_START_TEST(the_source_lives_until_the_copy_is_done) {
  const SimulatedDriver simulated;
  if (!simulated) return;  // nothing else holds a stream
  const auto context = make_context();
  const auto info = info_of("NV12", 322, 182);
  PinnedFrame source(context.get(), info);
  const auto pixels = write_noise(source.get(), info, 5);
  Pool pool(context.get(), info);
  pool.set("sync-mode", "gpu");
  pool.push(host_frame(info));  // all that is made once is made
  simulated.hold_all(true);
  const auto slot = pool.push(source.release());
  fail_unless(slot != nullptr);
  fail_unless(!source.is_gone());
  simulated.hold_all(false);
  source.wait_until_gone();
  fail_unless(read_pixels(slot.get(), info) == pixels);
}
GST_END_TEST

GST_START_TEST(after_a_failure_nothing_reads_the_source) {
  const SimulatedDriver simulated;
  if (!simulated) return;
  const auto context = make_context();
  const auto info = info_of("NV12", 322, 182);
  PinnedFrame source(context.get(), info);
  const auto slot = stock_frame(context.get(), info);
  cudacam::FrameCopier copier(context.get());
  const cudacam::Stream stream(context.get());
  simulated.delay(20000, 1);  // the first plane is under way
  fail_unless(simulated.fault("cuMemcpy2DAsync@2=1"));
  bool failed = false;
  try {
    copier.enqueue(info, source.get(), slot.get(), stream.view());
  } catch (const cudacam::CudaError &error) {
    failed = error.code() == CUDA_ERROR_INVALID_VALUE;
  }
  fail_unless(failed);
  fail_unless_equals_int(simulated.pending(stream.handle()), 0);
}
GST_END_TEST

namespace {

/// Work for the GPU on a frame: its first rows are copied onto themselves.
void work_on(GstBuffer *frame, CUstream stream) {
  auto *memory = GST_CUDA_MEMORY_CAST(gst_buffer_peek_memory(frame, 0));
  GstMapInfo map;
  fail_unless(gst_buffer_map(frame, &map, GstMapFlags(GST_MAP_READ | GST_MAP_CUDA)));
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = copy.dstDevice = reinterpret_cast<CUdeviceptr>(map.data);
  copy.WidthInBytes = 16;
  copy.Height = 1;
  const cudacam::ContextScope scope(memory->context);
  cudacam::driver().cuMemcpy2DAsync(&copy, stream);
  gst_buffer_unmap(frame, &map);
}

}  // namespace

/// The driver is late to say that a copy has ended, and the next one into the slot has begun.
GST_START_TEST(a_late_release_is_not_of_the_next_source) {
  const SimulatedDriver simulated;
  if (!simulated) return;
  const auto context = make_context();
  const auto info = info_of("NV12", 64, 48);
  const auto slot = stock_frame(context.get(), info);
  PinnedFrame first(context.get(), info), second(context.get(), info), other(context.get(), info);
  const auto fence = std::make_shared<cudacam::Fence>(context.get());
  const auto another = std::make_shared<cudacam::Fence>(context.get());
  const cudacam::Stream copies(context.get(), CU_STREAM_NON_BLOCKING);
  const cudacam::Stream releases(context.get(), CU_STREAM_NON_BLOCKING);

  simulated.hold(releases.handle(), true);
  fence->written_on(copies.handle());
  fence->keep(first.release(), releases.handle());
  wait_until([&] { return fence->pending(nullptr) == cudacam::Fence::Pending::kNothing; });
  fail_unless(first.is_gone());
  another->written_on(copies.handle());
  another->keep(other.release(), releases.handle());

  simulated.hold(copies.handle(), true);
  work_on(slot.get(), copies.handle());
  fence->written_on(copies.handle());
  fence->keep(second.release(), releases.handle());
  simulated.hold(releases.handle(), false);
  other.wait_until_gone();  // so what the driver had to say of the first copy was heard
  fail_unless(!second.is_gone());
  simulated.hold(copies.handle(), false);
  second.wait_until_gone();
}
GST_END_TEST

GST_START_TEST(a_writer_on_another_stream_waits_for_the_last_write) {
  const SimulatedDriver simulated;
  if (!simulated) return;
  const auto context = make_context();
  const auto slot = stock_frame(context.get(), info_of("NV12", 64, 48));
  const auto fence = std::make_shared<cudacam::Fence>(context.get());
  const cudacam::Stream last(context.get(), CU_STREAM_NON_BLOCKING);
  const cudacam::Stream next(context.get(), CU_STREAM_NON_BLOCKING);
  simulated.hold(last.handle(), true);
  work_on(slot.get(), last.handle());
  fence->written_on(last.handle());
  fence->order_writer(next.handle());
  fence->begin_write();
  work_on(slot.get(), next.handle());
  simulated.hold(last.handle(), false);
  fence->settle();
  cudacam::driver().cuStreamSynchronize(next.handle());
  fail_unless_equals_int(simulated.violations(), 0);
}
GST_END_TEST

/// It lets go of the source at once, which the copy still reads.
GST_START_TEST(a_source_that_cannot_be_kept_is_waited_for) {
  const SimulatedDriver simulated;
  if (!simulated) return;
  const auto context = make_context();
  const auto info = info_of("NV12", 64, 48);
  const auto slot = stock_frame(context.get(), info);
  PinnedFrame source(context.get(), info);
  const auto fence = std::make_shared<cudacam::Fence>(context.get());
  const cudacam::Stream copies(context.get(), CU_STREAM_NON_BLOCKING);
  const cudacam::Stream releases(context.get(), CU_STREAM_NON_BLOCKING);
  simulated.delay(20000, 1);
  for (int i = 0; i < 3; ++i) work_on(slot.get(), copies.handle());
  fence->written_on(copies.handle());
  fail_unless(simulated.fault("cuLaunchHostFunc@1=CUDA_ERROR_INVALID_VALUE"));
  bool failed = false;
  try {
    fence->keep(source.release(), releases.handle());
  } catch (const cudacam::CudaError &error) {
    failed = error.code() == CUDA_ERROR_INVALID_VALUE;
  }
  fail_unless(failed && source.is_gone());
  fail_unless_equals_int(simulated.pending(copies.handle()), 0);
}
GST_END_TEST

GST_START_TEST(a_gpu_that_is_lost_keeps_no_source) {
  const SimulatedDriver simulated;
  if (!simulated) return;
  const auto context = make_context();
  const auto info = info_of("NV12", 64, 48);
  PinnedFrame source(context.get(), info);
  {
    Pool pool(context.get(), info);
    pool.set("sync-mode", "gpu");
    pool.push(host_frame(info));
    auto next = host_frame(info);
    simulated.hold_all(true);
    auto slot = pool.push(source.release());
    fail_unless(slot && !source.is_gone());
    simulated.set_error(CUDA_ERROR_ILLEGAL_ADDRESS);
    fail_unless(!pool.push(std::move(next)));
    slot.reset();
  }
  fail_unless(source.is_gone());
  simulated.set_error(0);  // for what is the test's
  simulated.hold_all(false);
}
GST_END_TEST

static Suite *cudacampool_source_suite() {
  auto *suite = suite_create("cudacampool-source");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_frame_smaller_than_its_caps_is_refused);
  tcase_add_test(tests, a_frame_is_never_mapped_as_a_copy_of_itself);
  tcase_add_test(tests, the_source_lives_until_the_copy_is_done);
  tcase_add_test(tests, after_a_failure_nothing_reads_the_source);
  tcase_add_test(tests, a_late_release_is_not_of_the_next_source);
  tcase_add_test(tests, a_writer_on_another_stream_waits_for_the_last_write);
  tcase_add_test(tests, a_source_that_cannot_be_kept_is_waited_for);
  tcase_add_test(tests, a_gpu_that_is_lost_keeps_no_source);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_source, !cudacam::test::have_gpu() ? "no GPU" : "")
