// SPDX-License-Identifier: LGPL-2.1-or-later
/// Frames that come to cudacampool in memory that is not its own, on a GPU, real or simulated. Some
/// need two GPUs, some the simulated driver's control; the program is skipped without any GPU.
#include <gst/video/video.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

// After the standard library, whose streams have members by the names of check's macros.
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "cuda/compat.hpp"
#include "cuda/copy.hpp"
#include "cuda/kernel-image.hpp"
#include "support/driver-calls.hpp"
#include "support/pixels.hpp"
#include "support/statistics.hpp"
#include "support/stock-memory.hpp"

using cudacam::adopt;
using cudacam::BufferPtr;
using cudacam::CudaContextPtr;
using cudacam::test::find_call;
using cudacam::test::number;
using cudacam::test::read_pixels;
using cudacam::test::stock_frame;
using cudacam::test::write_noise;

namespace {

constexpr int kSkipped = 77;

const char *const kFormats[] = {"NV12", "P010_10LE", "I420", "YV12", "YUY2", "UYVY",
                                "RGBA", "BGRx",      "RGB",  "Y444", "GBRA"};

CudaContextPtr make_context(guint device = 0) {
  fail_unless(gst_cuda_load_library());
  gst_cuda_memory_init_once();
  auto context = adopt(gst_cuda_context_new(device));
  fail_unless(context != nullptr);
  return context;
}

/// Calls of the simulated driver so far; 0 on a real one.
guint64 calls(const char *name) {
  auto *count = find_call<guint64(const char *)>("nvsim_calls");
  return count ? count(name) : 0;
}
bool simulated() {
  return find_call<guint64(const char *)>("nvsim_calls") != nullptr;
}
void add_fault(const char *spec) {
  fail_unless_equals_int(find_call<int(const char *)>("nvsim_fault_add")(spec), 0);
}
void hold(bool held) {
  find_call<void(int)>("nvsim_hold_all")(held);
}

GstVideoInfo info_of(const char *format, int width, int height) {
  GstVideoInfo info;
  fail_unless(
      gst_video_info_set_format(&info, gst_video_format_from_string(format), width, height));
  return info;
}

// --- Frames in all kinds of memory -----------------------------------------------------------

BufferPtr host_frame(const GstVideoInfo &info) {
  return BufferPtr(gst_buffer_new_allocate(nullptr, info.size, nullptr));
}

/// With rows longer than they need be, and not by a round number.
BufferPtr padded_host_frame(const GstVideoInfo &info) {
  gsize offsets[GST_VIDEO_MAX_PLANES] = {};
  gint strides[GST_VIDEO_MAX_PLANES] = {};
  gsize size = 3;
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES(&info); ++p) {
    offsets[p] = size;
    strides[p] = GST_VIDEO_INFO_PLANE_STRIDE(&info, p) + 5;
    size += static_cast<gsize>(strides[p] * info.height);
  }
  BufferPtr frame(gst_buffer_new_allocate(nullptr, size, nullptr));
  gst_buffer_add_video_meta_full(frame.get(), GST_VIDEO_FRAME_FLAG_NONE,
                                 GST_VIDEO_INFO_FORMAT(&info), info.width, info.height,
                                 GST_VIDEO_INFO_N_PLANES(&info), offsets, strides);
  return frame;
}

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

// --- cudacampool -----------------------------------------------------------------------------

class Pool {
 public:
  Pool(GstCudaContext *context, const GstVideoInfo &info, bool cuda = true)
      : harness_(gst_harness_new("cudacampool")), info_(info) {
    set("sync-mode", "cpu");  // a frame that is let go of leaves its slot free at once
    if (context) {
      auto *share = gst_context_new_cuda_context(context);
      gst_element_set_context(harness_->element, share);
      gst_context_unref(share);
    }
    auto *caps = gst_video_info_to_caps(&info);
    if (cuda) gst_caps_set_features(caps, 0, gst_caps_features_new("memory:CUDAMemory", nullptr));
    gst_harness_set_src_caps(harness_, caps);
  }
  ~Pool() { gst_harness_teardown(harness_); }
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;

  void set(const char *property, const char *value) {
    gst_util_set_object_arg(G_OBJECT(harness_->element), property, value);
  }

  BufferPtr push(BufferPtr frame) {
    GST_BUFFER_PTS(frame.get()) = 123;
    return BufferPtr(gst_harness_push_and_pull(harness_, frame.release()));
  }

  /// Pushes the frame, with pixels of its own, and expects them in a slot.
  void expect_copied(BufferPtr frame) {
    const auto copied = number(harness_->element, "copied");
    const auto pixels = write_noise(frame.get(), info_, ++seed_);
    const auto slot = push(std::move(frame));
    fail_unless(slot && read_pixels(slot.get(), info_) == pixels, "%s %dx%d differs",
                GST_VIDEO_INFO_NAME(&info_), info_.width, info_.height);
    fail_unless_equals_uint64(GST_BUFFER_PTS(slot.get()), 123);
    fail_unless_equals_uint64(number(harness_->element, "copied"), copied + 1);
  }

  static GstCudaContext *context_of(GstBuffer *frame) {
    auto *memory = gst_buffer_peek_memory(frame, 0);
    return gst_is_cuda_memory(memory) ? GST_CUDA_MEMORY_CAST(memory)->context : nullptr;
  }

 private:
  GstHarness *harness_;
  const GstVideoInfo info_;
  unsigned seed_ = 0;
};

/// Of GStreamer's allocator, whose version 1.22 loses the last plane of 4:2:0 with an odd height.
template <class Make>
bool made_by_stock(const GstVideoInfo &info, Make &&make) {
  return Pool::context_of(make(info).get()) != nullptr;
}

/// `make(info)` gives frames of some kind of memory.
/// Returns how many frames were pushed.
template <class Make>
guint64 expect_copied_in_every_format(GstCudaContext *context, Make &&make) {
  guint64 frames = 0;
  for (const auto *format : kFormats) {
    for (const auto &[width, height] : {std::pair{17, 9}, {19, 12}, {322, 182}}) {
      const auto info = info_of(format, width, height);
      if (height % 2 && GST_VIDEO_INFO_N_PLANES(&info) == 3 && made_by_stock(info, make)) continue;
      Pool pool(context, info);
      pool.expect_copied(make(info));
      pool.expect_copied(make(info));
      frames += 2;
    }
  }
  return frames;
}

}  // namespace

GST_START_TEST(host_memory_is_uploaded) {
  const auto context = make_context();
  expect_copied_in_every_format(context.get(), host_frame);
  expect_copied_in_every_format(context.get(), padded_host_frame);
}
GST_END_TEST

GST_START_TEST(cuda_memory_of_another_allocator_is_copied) {
  const auto context = make_context();
  const auto launched = calls("cuLaunchKernel");
  const auto frames = expect_copied_in_every_format(
      context.get(), [&](const GstVideoInfo &info) { return stock_frame(context.get(), info); });
  if (simulated() && cudacam::kernel_image())
    fail_unless_equals_uint64(calls("cuLaunchKernel") - launched, frames);
}
GST_END_TEST

GST_START_TEST(cuda_memory_without_a_video_meta_is_copied) {
  const auto context = make_context();
  const auto info = info_of("NV12", 322, 182);
  Pool pool(context.get(), info);
  auto with_meta = stock_frame(context.get(), info);
  const auto pixels = write_noise(with_meta.get(), info, 7);
  BufferPtr bare(gst_buffer_new());
  gst_buffer_append_memory(bare.get(), gst_buffer_get_memory(with_meta.get(), 0));
  const auto slot = pool.push(std::move(bare));
  fail_unless(slot && read_pixels(slot.get(), info) == pixels);
}
GST_END_TEST

GST_START_TEST(memory_of_another_context_of_the_gpu_is_copied) {
  const auto context = make_context(), other = make_context();
  const auto launched = calls("cuLaunchKernel");
  const auto frames = expect_copied_in_every_format(
      context.get(), [&](const GstVideoInfo &info) { return stock_frame(other.get(), info); });
  if (simulated() && cudacam::kernel_image())
    fail_unless_equals_uint64(calls("cuLaunchKernel") - launched, frames);
  Pool pool(context.get(), info_of("NV12", 64, 48));
  const auto slot = pool.push(stock_frame(other.get(), info_of("NV12", 64, 48)));
  fail_unless(Pool::context_of(slot.get()) == context.get());
}
GST_END_TEST

static bool second_gpu(const char *test) {
  int devices = 0;
  CUDA_CALL(cuInit)(0u);
  CUDA_CALL(cuDeviceGetCount)(&devices);
  if (devices < 2) g_print("%s: not tried, there is one GPU\n", test);
  return devices >= 2;
}

static void expect_copied_from_another_gpu() {
  const auto context = make_context(0), other = make_context(1);
  const auto launched = calls("cuLaunchKernel");
  expect_copied_in_every_format(
      context.get(), [&](const GstVideoInfo &info) { return stock_frame(other.get(), info); });
  // A kernel reaches the other GPU's memory only with peer access, so it is not for this.
  fail_unless_equals_uint64(calls("cuLaunchKernel"), launched);
  const auto info = info_of("NV12", 64, 48);
  Pool pool(context.get(), info);
  const auto asked = calls("cuCtxEnablePeerAccess");
  for (int i = 0; i < 5; ++i) {
    const auto slot = pool.push(stock_frame(other.get(), info));
    fail_unless(Pool::context_of(slot.get()) == context.get());
  }
  if (simulated()) fail_unless_equals_uint64(calls("cuCtxEnablePeerAccess") - asked, 1);
}

GST_START_TEST(memory_of_another_gpu_is_copied_peer_to_peer) {
  if (!second_gpu("peer to peer")) return;
  expect_copied_from_another_gpu();
}
GST_END_TEST

GST_START_TEST(memory_of_a_gpu_out_of_reach_is_copied) {
  auto *set_peer = find_call<int(int, int, int)>("nvsim_set_peer");
  if (!set_peer || !second_gpu("out of reach")) return;
  fail_unless_equals_int(set_peer(0, 1, 0), 0);
  fail_unless_equals_int(set_peer(1, 0, 0), 0);
  expect_copied_from_another_gpu();
}
GST_END_TEST

GST_START_TEST(of_a_larger_frame_the_picture_is_copied) {
  const auto context = make_context();
  for (const auto *format : {"NV12", "I420", "RGBA"}) {
    // Only just within a row of 512 bytes, and beyond it.
    const auto info = info_of(format, 126, 80), larger = info_of(format, 560, 96);
    const auto frame = stock_frame(context.get(), larger);
    const auto pixels = write_noise(frame.get(), info, 9);
    Pool pool(context.get(), info);
    auto slot = pool.push(cudacam::share(frame.get()));
    fail_unless(slot && read_pixels(slot.get(), info) == pixels, "%s differs", format);
  }
}
GST_END_TEST

GST_START_TEST(cuda_memory_with_plain_caps_is_downloaded) {
  const auto context = make_context();
  for (const auto *format : {"NV12", "RGBA"}) {
    const auto info = info_of(format, 322, 182);
    Pool pool(nullptr, info, false);
    pool.expect_copied(stock_frame(context.get(), info));
    const auto slot = pool.push(stock_frame(context.get(), info));
    fail_unless(!Pool::context_of(slot.get()));
  }
}
GST_END_TEST

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

GST_START_TEST(the_source_lives_until_the_copy_is_done) {
  if (!simulated()) return;  // nothing else holds a stream
  const auto context = make_context();
  const auto info = info_of("NV12", 322, 182);
  PinnedFrame source(context.get(), info);
  const auto pixels = write_noise(source.get(), info, 5);
  Pool pool(context.get(), info);
  pool.set("sync-mode", "gpu");
  pool.push(host_frame(info));  // all that is made once is made
  hold(true);
  const auto slot = pool.push(source.release());
  fail_unless(slot != nullptr);
  fail_unless(!source.is_gone());
  hold(false);
  source.wait_until_gone();
  fail_unless(read_pixels(slot.get(), info) == pixels);
}
GST_END_TEST

GST_START_TEST(after_a_failure_nothing_reads_the_source) {
  auto *pending = find_call<long(void *)>("nvsim_pending");
  if (!pending) return;
  const auto context = make_context();
  const auto info = info_of("NV12", 322, 182);
  PinnedFrame source(context.get(), info);
  const auto slot = stock_frame(context.get(), info);
  cudacam::FrameCopier copier(context.get());
  const cudacam::Stream stream(context.get());
  find_call<void(unsigned, guint64)>("nvsim_set_delay")(20000, 1);  // the first plane is under way
  add_fault("cuMemcpy2DAsync@2=1");
  bool failed = false;
  try {
    copier.enqueue(info, source.get(), slot.get(), stream.view());
  } catch (const cudacam::CudaError &error) {
    failed = error.code() == CUDA_ERROR_INVALID_VALUE;
  }
  fail_unless(failed);
  fail_unless_equals_int(pending(stream.handle()), 0);
}
GST_END_TEST

static Suite *cudacampool_foreign_suite() {
  auto *suite = suite_create("cudacampool-foreign");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, host_memory_is_uploaded);
  tcase_add_test(tests, cuda_memory_of_another_allocator_is_copied);
  tcase_add_test(tests, cuda_memory_without_a_video_meta_is_copied);
  tcase_add_test(tests, memory_of_another_context_of_the_gpu_is_copied);
  tcase_add_test(tests, memory_of_another_gpu_is_copied_peer_to_peer);
  tcase_add_test(tests, memory_of_a_gpu_out_of_reach_is_copied);
  tcase_add_test(tests, of_a_larger_frame_the_picture_is_copied);
  tcase_add_test(tests, cuda_memory_with_plain_caps_is_downloaded);
  tcase_add_test(tests, a_frame_smaller_than_its_caps_is_refused);
  tcase_add_test(tests, the_source_lives_until_the_copy_is_done);
  tcase_add_test(tests, after_a_failure_nothing_reads_the_source);
  return suite;
}

int main(int argc, char **argv) {
  gst_check_init(&argc, &argv);
  if (!cudacam::test::have_gpu()) {
    g_print("skipped: no GPU\n");
    return kSkipped;
  }
  return gst_check_run_suite(cudacampool_foreign_suite(), "cudacampool-foreign", __FILE__);
}
