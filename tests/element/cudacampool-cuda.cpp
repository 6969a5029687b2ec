// SPDX-License-Identifier: LGPL-2.1-or-later
/// cudacampool on a GPU, real or simulated. Skipped where nvh264dec cannot be used.
#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>
#include <gst/video/video.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "base/ptr.hpp"
#include "frame/frame-meta.h"
#include "support/check-main.hpp"
#include "support/statistics.hpp"

using cudacam::BufferPtr;
using cudacam::test::number;

namespace {

constexpr guint kFrames = 40;

std::string stream_path;  // written by main(), before any test

bool have_libav() {
  return cudacam::adopt(gst_element_factory_find("avdec_h264")) != nullptr;
}

/// Runs a pipeline to its end. Throws on an error.
void play_to_end(GstElement *pipeline) {
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  const auto bus = cudacam::adopt(gst_element_get_bus(pipeline));
  const cudacam::MessagePtr message(gst_bus_timed_pop_filtered(
      bus.get(), 100 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  if (!message || GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_EOS)
    throw std::runtime_error("the pipeline did not reach its end");
}

/// With B-frames, cropping and a moving picture. Encoded by another process: the tests are forks of
/// this one, and a fork has none of the threads that GStreamer believes to have started.
void encode_stream() {
  const cudacam::CharPtr path(g_build_filename(g_get_tmp_dir(), "cudacam-XXXXXX", nullptr));
  const int file = g_mkstemp(path.get());
  if (file < 0) throw std::runtime_error("no temporary file");
  g_close(file, nullptr);
  stream_path = path.get();
  const auto command =
      "gst-launch-1.0 -q videotestsrc pattern=ball num-buffers=" + std::to_string(kFrames) +
      " ! video/x-raw,format=I420,width=322,height=182 ! x264enc "
      "speed-preset=ultrafast key-int-max=10 bframes=" +
      (have_libav() ? "2" : "0") +  // openh264dec has none
      " ! "
      "video/x-h264,stream-format=byte-stream ! filesink location=" +
      stream_path;
  gint status = 0;
  if (!g_spawn_command_line_sync(command.c_str(), nullptr, nullptr, &status, nullptr) || status)
    throw std::runtime_error("the stream could not be encoded");
}

struct Sample {
  GstVideoInfo info;
  BufferPtr buffer;
};

/// Runs a pipeline that ends in `appsink name=out` and keeps every frame.
class Run {
 public:
  explicit Run(const std::string &launch) {
    GError *error = nullptr;
    pipeline_ = gst_parse_launch(launch.c_str(), &error);
    fail_unless(pipeline_ && !error, "%s", error ? error->message : "");
    auto *sink = gst_bin_get_by_name(GST_BIN(pipeline_), "out");
    g_object_set(sink, "sync", FALSE, "emit-signals", TRUE, "enable-last-sample", FALSE, nullptr);
    g_signal_connect(sink, "new-sample", G_CALLBACK(take), this);
    gst_object_unref(sink);
  }
  ~Run() {
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    gst_object_unref(pipeline_);
  }
  /// Frames are read as they come, or all held until the end.
  void play(bool hold = false) {
    hold_ = hold;
    play_to_end(pipeline_);
  }
  GstElement *element(const char *name) {
    auto *found = gst_bin_get_by_name(GST_BIN(pipeline_), name);
    gst_object_unref(found);  // the pipeline keeps it
    return found;
  }

  std::vector<std::vector<guint8>> pixels;  // of each frame, rows packed
  std::vector<Sample> held;

  static std::vector<guint8> read(GstBuffer *buffer, const GstVideoInfo &info) {
    std::vector<guint8> packed;
    GstVideoFrame frame;
    fail_unless(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ));
    for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES(&frame); ++p) {
      gint components[GST_VIDEO_MAX_COMPONENTS];
      gst_video_format_info_component(info.finfo, p, components);
      const auto width = GST_VIDEO_FRAME_COMP_WIDTH(&frame, components[0]) *
                         GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, components[0]);
      for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&frame, components[0]); ++y) {
        const auto *row = static_cast<guint8 *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, p)) +
                          y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, p);
        packed.insert(packed.end(), row, row + width);
      }
    }
    gst_video_frame_unmap(&frame);
    return packed;
  }

 private:
  static GstFlowReturn take(GstElement *sink, Run *self) {
    GstSample *sample = nullptr;
    g_signal_emit_by_name(sink, "pull-sample", &sample);
    Sample one;
    fail_unless(gst_video_info_from_caps(&one.info, gst_sample_get_caps(sample)));
    one.buffer = cudacam::share(gst_sample_get_buffer(sample));
    gst_sample_unref(sample);
    if (self->hold_) {
      self->held.push_back(std::move(one));
    } else {
      self->pixels.push_back(read(one.buffer.get(), one.info));
    }
    return GST_FLOW_OK;
  }

  GstElement *pipeline_;
  bool hold_ = false;
};

/// The stream that all decoders get.
std::string stream() {
  return "filesrc location=" + stream_path + " ! h264parse ! ";
}

const char *kCuda = " ! video/x-raw(memory:CUDAMemory),format=NV12 ! appsink name=out";

const std::vector<std::vector<guint8>> &reference() {
  static const auto pixels = [] {
    Run software(stream() + (have_libav() ? "avdec_h264" : "openh264dec") +
                 std::string(" ! videoconvert ! video/x-raw,format=NV12 ! appsink name=out"));
    software.play();
    return software.pixels;
  }();
  return pixels;
}

void expect_reference(const std::vector<std::vector<guint8>> &pixels) {
  fail_unless_equals_int(pixels.size(), kFrames);
  for (guint i = 0; i < kFrames; ++i)
    fail_unless(pixels[i] == reference()[i], "frame %u differs from the software decoder's", i);
}

}  // namespace

GST_START_TEST(the_decoder_writes_into_the_slots_pixel_exact) {
  Run run(stream() + "nvh264dec ! cudacampool name=pool" + kCuda);
  run.play();
  expect_reference(run.pixels);
  fail_unless_equals_uint64(number(run.element("pool"), "copied"), 0);
  fail_unless_equals_uint64(number(run.element("pool"), "frames"), kFrames);
}
GST_END_TEST

namespace {

/// What may be between the decoder and the slots, and how many frames are copied then.
struct Between {
  const char *elements;
  guint copied;
};

constexpr Between kBetween[] = {
    {"queue max-size-buffers=1 ! ", 0},
    {"capsfilter caps=video/x-raw(memory:CUDAMemory),format=NV12 ! ", 0},
    {"identity ! queue max-size-buffers=1 ! capsfilter ! ", 0},
    // tee passes no pool on.
    {"tee name=t t. ! queue ! fakesink async=false sync=false t. ! queue max-size-buffers=1 ! ",
     kFrames},
};

}  // namespace

GST_START_TEST(the_decoder_finds_the_slots_behind_other_elements) {
  const auto &one = kBetween[__i__];
  Run run(stream() + "nvh264dec ! " + one.elements + "cudacampool name=pool slots=8" + kCuda);
  run.play();
  expect_reference(run.pixels);
  fail_unless_equals_uint64(number(run.element("pool"), "copied"), one.copied);
}
GST_END_TEST

namespace {

/// A stream of the simulated decoder's own test suite.
struct Stream {
  const char *file;
  const char *format;  // of the decoded frames
  const char *decoder;
  bool as_software = true;  // else as the same decoder does without the slots
};

constexpr Stream kStreams[] = {
    {"baseline.h264", "NV12", "nvh264dec"},
    {"bframes.h264", "NV12", "nvh264dec"},
    {"bframes.h264", "NV12", "nvh264sldec"},
    // nvh264dec of 1.22 does not know the offset of the cropping.
    {"crop.h264", "NV12", "nvh264dec", false},
    {"hrd.h264", "NV12", "nvh264dec"},
    {"large.h264", "NV12", "nvh264dec"},
    {"mbaff.h264", "NV12", "nvh264dec"},
    {"picstruct.h264", "NV12", "nvh264dec"},
    {"sixteen.h264", "NV12", "nvh264dec"},
    {"lists.h265", "NV12", "nvh265dec"},
    {"main.h265", "NV12", "nvh265dec"},
    {"main.h265", "NV12", "nvh265sldec"},
    // videoconvert spreads ten bits over sixteen in its own way.
    {"main10.h265", "P010_10LE", "nvh265dec", false},
};

/// Where the streams are on a machine without the sources, too.
std::string stream_folder() {
  const char *given = g_getenv("CUDACAM_TEST_STREAMS");
  return given ? given : STREAM_FOLDER;
}

bool have(const std::string &element) {
  return cudacam::adopt(gst_element_factory_find(element.c_str())) != nullptr;
}

}  // namespace

GST_START_TEST(every_stream_is_pixel_exact) {
  const auto &one = kStreams[__i__];
  const std::string file = one.file;
  const std::string codec = file.substr(file.find('.') + 1);
  const auto software_decoder = "avdec_" + codec;
  if (!have(one.decoder) || !have(software_decoder)) return;
  const auto source =
      "filesrc location=" + stream_folder() + "/" + file + " ! " + codec + "parse ! ";
  const auto format = std::string("format=") + one.format;
  const auto other = one.as_software ? software_decoder + " ! videoconvert ! video/x-raw,"
                                     : std::string(one.decoder) + " ! cudadownload ! video/x-raw,";
  Run reference_run(source + other + format + " ! appsink name=out");
  reference_run.play();
  Run hardware(source + one.decoder + " ! cudacampool name=pool ! video/x-raw(memory:CUDAMemory)," +
               format + " ! appsink name=out");
  hardware.play();
  fail_unless(!reference_run.pixels.empty());
  fail_unless_equals_int(hardware.pixels.size(), reference_run.pixels.size());
  for (std::size_t i = 0; i < reference_run.pixels.size(); ++i)
    fail_unless(hardware.pixels[i] == reference_run.pixels[i], "frame %d of %s differs",
                static_cast<int>(i), one.file);
  fail_unless_equals_uint64(number(hardware.element("pool"), "copied"), 0);
}
GST_END_TEST

GST_START_TEST(cudaupload_writes_into_the_slots) {
  Run run(
      "videotestsrc num-buffers=20 ! video/x-raw,format=NV12,width=64,height=48 ! cudaupload ! "
      "cudacampool name=pool" +
      std::string(kCuda));
  run.play();
  fail_unless_equals_int(run.pixels.size(), 20);
  fail_unless_equals_uint64(number(run.element("pool"), "copied"), 0);
}
GST_END_TEST

GST_START_TEST(foreign_cuda_memory_is_copied_once_pixel_exact) {
  Run run(stream() + "nvh264dec ! identity drop-allocation=true ! cudacampool name=pool" + kCuda);
  run.play();
  expect_reference(run.pixels);
  fail_unless_equals_uint64(number(run.element("pool"), "copied"), kFrames);
}
GST_END_TEST

GST_START_TEST(surfaces_that_the_decoder_lends_are_copied_pixel_exact) {
  const auto decoder = cudacam::sink(gst_element_factory_make("nvh264dec", nullptr));
  if (!g_object_class_find_property(G_OBJECT_GET_CLASS(decoder.get()), "num-output-surfaces"))
    return;  // before GStreamer 1.24 it always copies
  Run run(stream() + "nvh264dec num-output-surfaces=0 ! cudacampool name=pool" + kCuda);
  run.play();
  expect_reference(run.pixels);
  fail_unless_equals_uint64(number(run.element("pool"), "copied"), kFrames);
}
GST_END_TEST

GST_START_TEST(held_frames_survive_the_decoder_and_the_pipeline) {
  std::vector<Sample> held;
  {
    Run run(stream() + "nvh264dec ! cudacampool name=pool slots=6" + kCuda);
    run.play(true);
    fail_unless_equals_int(run.held.size(), 6);
    fail_unless_equals_uint64(number(run.element("pool"), "dropped"), kFrames - 6);
    held = std::move(run.held);
  }
  for (const auto &sample : held) {
    const auto *meta = gst_buffer_get_cuda_cam_frame_meta(sample.buffer.get());
    fail_unless(Run::read(sample.buffer.get(), sample.info) == reference()[meta->sequence]);
  }
}
GST_END_TEST

static Suite *cudacampool_cuda_suite() {
  auto *suite = suite_create("cudacampool-cuda");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, the_decoder_writes_into_the_slots_pixel_exact);
  tcase_add_loop_test(tests, the_decoder_finds_the_slots_behind_other_elements, 0,
                      G_N_ELEMENTS(kBetween));
  tcase_add_loop_test(tests, every_stream_is_pixel_exact, 0, G_N_ELEMENTS(kStreams));
  tcase_add_test(tests, cudaupload_writes_into_the_slots);
  tcase_add_test(tests, foreign_cuda_memory_is_copied_once_pixel_exact);
  tcase_add_test(tests, surfaces_that_the_decoder_lends_are_copied_pixel_exact);
  tcase_add_test(tests, held_frames_survive_the_decoder_and_the_pipeline);
  return suite;
}

int main(int argc, char **argv) {
  gst_check_init(&argc, &argv);
  const auto decoder = cudacam::adopt(gst_element_factory_find("nvh264dec"));
  if (!decoder) return skipped("no GPU that nvh264dec can use");
  encode_stream();
  const int failed = gst_check_run_suite(cudacampool_cuda_suite(), "cudacampool-cuda", __FILE__);
  g_unlink(stream_path.c_str());
  return failed;
}
