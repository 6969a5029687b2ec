// SPDX-License-Identifier: LGPL-2.1-or-later
/// Frames that come to cudacampool in memory that is not its own, on a GPU, real or simulated. Some
/// need two GPUs, some the simulated driver's control; the program is skipped without any GPU.
#include "cuda/kernel-image.hpp"
#include "foreign-bench.hpp"
#include "support/check-main.hpp"
#include "support/simulated-driver.hpp"
#include "support/stock-memory.hpp"

using cudacam::BufferPtr;
using namespace cudacam::test;
using Pool = ForeignBench;

namespace {

const char *const kFormats[] = {"NV12", "P010_10LE", "I420", "YV12", "YUY2", "UYVY",
                                "RGBA", "BGRx",      "RGB",  "Y444", "GBRA"};

/// Calls of the simulated driver so far; 0 on a real one.
guint64 calls(const char *name) {
  return SimulatedDriver().calls(name);
}
bool simulated() {
  return bool(SimulatedDriver());
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

namespace {

/// A frame whose meta says more than its memory has.
BufferPtr with_meta(BufferPtr frame, const GstVideoInfo &info, int stride) {
  frame.reset(gst_buffer_make_writable(frame.release()));
  if (auto *meta = gst_buffer_get_video_meta(frame.get()))
    gst_buffer_remove_meta(frame.get(), &meta->meta);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {};
  gint strides[GST_VIDEO_MAX_PLANES] = {stride};
  gst_buffer_add_video_meta_full(frame.get(), GST_VIDEO_FRAME_FLAG_NONE,
                                 GST_VIDEO_INFO_FORMAT(&info), info.width, info.height, 1, offsets,
                                 strides);
  return frame;
}

/// With an error that says so, and nothing beyond the frame read.
void expect_refused(Pool &pool, BufferPtr frame) {
  const auto bus = cudacam::adopt(gst_bus_new());
  gst_element_set_bus(pool.harness()->element, bus.get());
  fail_unless(!pool.push(std::move(frame)));
  const cudacam::MessagePtr message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
  fail_unless(message != nullptr);
  GError *error = nullptr;
  gst_message_parse_error(message.get(), &error, nullptr);
  const cudacam::ErrorPtr owned(error);
  fail_unless(strstr(error->message, "not what its caps say"), "%s", error->message);
  gst_element_set_bus(pool.harness()->element, nullptr);
}

}  // namespace

GST_START_TEST(a_frame_that_ends_before_its_picture_is_refused) {
  const auto context = make_context();
  const auto info = info_of("RGBA", 1920, 1080), small = info_of("RGBA", 64, 48);
  for (const bool plain : {false, true}) {
    for (const int stride : {7680, 256, -7680}) {
      for (const bool on_gpu : {false, true}) {
        Pool pool(plain ? nullptr : context.get(), info, !plain);
        auto frame = on_gpu ? stock_frame(context.get(), small) : host_frame(small);
        expect_refused(pool, with_meta(std::move(frame), info, stride));
      }
    }
  }
  fail_unless_equals_int(SimulatedDriver().violations(), 0);
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
  tcase_add_test(tests, a_frame_that_ends_before_its_picture_is_refused);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_foreign, !have_gpu() ? "no GPU" : "")
