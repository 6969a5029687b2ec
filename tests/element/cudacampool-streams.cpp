// SPDX-License-Identifier: LGPL-2.1-or-later
/// Readers that work on CUDA streams of their own. The simulated driver says when one reads what
/// upstream still writes; skipped where nvh264dec cannot be used.
#include <gst/check/gstcheck.h>
#include <gst/video/video.h>

#include <cstring>
#include <vector>

#include "base/ptr.hpp"
#include "cuda/compat.hpp"
#include "cuda/context.hpp"
#include "cuda/driver.hpp"
#include "support/check-main.hpp"
#include "support/statistics.hpp"
#include "support/stock-memory.hpp"

using cudacam::adopt;
using cudacam::BufferPtr;
using cudacam::ContextScope;
using cudacam::driver;
using cudacam::test::number;

namespace {

constexpr guint kFrames = 40;

/// As a model's runtime does: on a stream that is in no order with the NULL stream.
std::vector<guint8> read_luma_on_own_stream(GstBuffer *buffer, const GstVideoInfo &info) {
  auto *memory = GST_CUDA_MEMORY_CAST(gst_buffer_peek_memory(buffer, 0));
  cudacam::test::wait_for_producer(GST_MEMORY_CAST(memory));
  GstVideoFrame frame;
  fail_unless(gst_video_frame_map(&frame, &info, buffer, GstMapFlags(GST_MAP_READ | GST_MAP_CUDA)));
  const ContextScope scope(memory->context);
  CUstream stream = nullptr;
  driver().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
  std::vector<guint8> luma(info.width * info.height);
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = reinterpret_cast<CUdeviceptr>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
  copy.srcPitch = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
  copy.dstMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstHost = luma.data();
  copy.dstPitch = copy.WidthInBytes = info.width;
  copy.Height = info.height;
  driver().cuMemcpy2DAsync(&copy, stream);
  driver().cuStreamSynchronize(stream);
  driver().cuStreamDestroy(stream);
  gst_video_frame_unmap(&frame);
  return luma;
}

std::vector<guint8> read_luma(GstBuffer *buffer, const GstVideoInfo &info) {
  GstVideoFrame frame;
  fail_unless(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ));
  std::vector<guint8> luma(info.width * info.height);
  for (int y = 0; y < info.height; ++y)
    std::memcpy(&luma[y * info.width],
                static_cast<guint8 *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)) +
                    y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0),
                info.width);
  gst_video_frame_unmap(&frame);
  return luma;
}

void expect_readers_need_only_wait_for_the_memory(const std::string &source, guint64 copied) {
  const auto pipeline = cudacam::sink(gst_parse_launch(
      (source + " ! cudacampool name=pool ! video/x-raw(memory:CUDAMemory),format=NV12 ! "
                "appsink name=out sync=false enable-last-sample=false max-buffers=1")
          .c_str(),
      nullptr));
  fail_unless(pipeline != nullptr);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const auto sink = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "out"));
  guint frames = 0;
  const auto pull = [&] {
    GstSample *sample = nullptr;
    g_signal_emit_by_name(sink.get(), "pull-sample", &sample);
    return sample;
  };
  while (auto *sample = pull()) {
    GstVideoInfo info;
    fail_unless(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    const auto own = read_luma_on_own_stream(gst_sample_get_buffer(sample), info);
    fail_unless(own == read_luma(gst_sample_get_buffer(sample), info));
    gst_sample_unref(sample);
    ++frames;
  }
  fail_unless_equals_int(frames, kFrames);
  const auto pool = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "pool"));
  fail_unless_equals_uint64(number(pool.get(), "copied"), copied);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}

const std::string kPictures = "videotestsrc num-buffers=" + std::to_string(kFrames) +
                              " ! video/x-raw,format=NV12,width=320,height=192";
const std::string kCamera = kPictures + " ! x264enc tune=zerolatency ! h264parse ! nvh264dec";

}  // namespace

GST_START_TEST(a_frame_that_the_decoder_wrote) {
  expect_readers_need_only_wait_for_the_memory(kCamera, 0);
}
GST_END_TEST

GST_START_TEST(a_frame_that_cudaupload_wrote) {
  expect_readers_need_only_wait_for_the_memory(kPictures + " ! cudaupload", 0);
}
GST_END_TEST

GST_START_TEST(a_frame_that_was_copied) {
  expect_readers_need_only_wait_for_the_memory(kCamera + " ! identity drop-allocation=true",
                                               kFrames);
}
GST_END_TEST

static Suite *cudacampool_streams_suite() {
  auto *suite = suite_create("cudacampool-streams");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_frame_that_the_decoder_wrote);
  tcase_add_test(tests, a_frame_that_cudaupload_wrote);
  tcase_add_test(tests, a_frame_that_was_copied);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_streams, !adopt(gst_element_factory_find("nvh264dec"))
                                           ? "no GPU that nvh264dec can use"
                                           : "")
