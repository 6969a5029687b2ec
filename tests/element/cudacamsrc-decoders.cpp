// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which decoder is taken, and what becomes of one that fails again and again.
#include <string>
#include <vector>

#include "camera-bench.hpp"
#include "statistics.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::adopt;
using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::CameraCodec;
using cudacam::test::number;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

// Takes the place of NVIDIA's decoder, which is tried first, and fails at each picture.
struct BrokenDecoder {
  GstElement parent;
};
struct BrokenDecoderClass {
  GstElementClass parent;
};
static GType broken_decoder_get_type();
G_DEFINE_TYPE(BrokenDecoder, broken_decoder, GST_TYPE_ELEMENT)

static GstStaticPadTemplate broken_sink =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/x-h264,stream-format=byte-stream,alignment=au; "
                                            "image/jpeg"));
static GstStaticPadTemplate broken_src =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw"));

static GstFlowReturn broken_decoder_chain(GstPad *, GstObject *element, GstBuffer *picture) {
  gst_buffer_unref(picture);
  GST_ELEMENT_ERROR(element, STREAM, DECODE, (nullptr), ("broken"));
  return GST_FLOW_ERROR;
}

static void broken_decoder_init(BrokenDecoder *self) {
  auto *sink = gst_pad_new_from_static_template(&broken_sink, "sink");
  gst_pad_set_chain_function(sink, broken_decoder_chain);
  // As decoders do: nothing goes on before the first frame.
  gst_pad_set_event_function(sink, [](GstPad *, GstObject *, GstEvent *event) -> gboolean {
    gst_event_unref(event);
    return TRUE;
  });
  gst_element_add_pad(GST_ELEMENT(self), sink);
  gst_element_add_pad(GST_ELEMENT(self), gst_pad_new_from_static_template(&broken_src, "src"));
}

static void broken_decoder_class_init(BrokenDecoderClass *klass) {
  auto *element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &broken_sink);
  gst_element_class_add_static_pad_template(element, &broken_src);
  gst_element_class_set_static_metadata(element, "Broken decoder", "Codec/Decoder/Video/Hardware",
                                        "Fails", "gst-cudacam");
}

namespace {

void install_broken_decoder(const char *name) {
  auto *registry = gst_registry_get();
  if (auto *real = gst_registry_find_feature(registry, name, GST_TYPE_ELEMENT_FACTORY)) {
    gst_registry_remove_feature(registry, real);
    gst_object_unref(real);
  }
  fail_unless(gst_element_register(nullptr, name, GST_RANK_NONE, broken_decoder_get_type()));
}

TestCameraOptions jpeg() {
  TestCameraOptions options;
  options.codec = CameraCodec::kJpeg;
  options.width = 320;
  options.height = 192;
  return options;
}

std::string decoder_kind(const CameraBench &bench) {
  return GST_OBJECT_NAME(gst_element_get_factory(bench.decoder().get()));
}

unsigned fallbacks(const CameraBench &bench) {
  unsigned count = 0;
  for (const auto &text : bench.warning_texts)
    count += text.find("decoding goes on with") != std::string::npos;
  return count;
}

}  // namespace

GST_START_TEST(the_same_kind_once_more_then_the_next_best) {
  install_broken_decoder("nvh264dec");
  TestCamera camera;
  CameraBench bench("location=" + camera.url());
  bench.play();
  bench.wait_connection(1);
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 3);
  camera.close_connections();
  bench.wait_connection(2);
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 3);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(fallbacks(bench), 1);
  fail_unless(bench.errors.empty());
  fail_unless_equals_uint64(bench.segments, 1);
  fail_unless_equals_uint64(bench.stream_starts, 1);
}
GST_END_TEST

GST_START_TEST(a_decoder_that_was_asked_for_is_never_replaced) {
  install_broken_decoder("nvh264dec");
  TestCamera camera;
  CameraBench bench(at(camera) + "decoder=nvh264dec");
  bench.play();
  bench.wait("several tries",
             [](const auto &it) { return it.template statistic<guint64>("decoders") >= 5; });
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(fallbacks(bench), 0);
  fail_unless_equals_uint64(bench.frames, 0);
}
GST_END_TEST

GST_START_TEST(jpeg_goes_on_without_the_gpu_s_decoder) {
  install_broken_decoder("nvjpegdec");
  TestCamera camera(jpeg());
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  fail_unless(decoder_kind(bench) == "jpegdec");
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 3);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(fallbacks(bench), 1);
  fail_unless(bench.errors.empty());
}
GST_END_TEST

/// On the GPU where it can (its plugin registers nvjpegdec by what the driver says), straight into
/// the pool's slots; else on the CPU, of which nobody need be told.
GST_START_TEST(jpeg_gets_the_gpu_s_decoder_where_there_is_one) {
  const bool on_gpu = adopt(gst_element_factory_find("nvjpegdec")) != nullptr;
  TestCamera camera(jpeg());
  CameraBench bench(at(camera),
                    std::string("cudacampool name=pool ! ") +
                        (on_gpu ? "video/x-raw(memory:CUDAMemory),format=NV12 ! " : "") +
                        "fakesink name=sink sync=false");
  bench.play();
  bench.wait_connection(1);
  fail_unless(decoder_kind(bench) == (on_gpu ? "nvjpegdec" : "jpegdec"));
  bench.wait_frames(5);
  camera.close_connections();
  bench.wait_connection(2);
  bench.wait_frames(5);
  const auto pool = adopt(gst_bin_get_by_name(GST_BIN(bench.pipeline()), "pool"));
  fail_unless(number(pool.get(), "frames") >= 10);
  if (on_gpu) fail_unless_equals_uint64(number(pool.get(), "copied"), 0);
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 1);
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.warnings.empty() || bench.warnings == std::vector<std::string>{"end-of-stream"},
              "%s", bench.warnings.front().c_str());
  fail_unless_equals_uint64(bench.checker.bad(), 0);
  fail_unless(bench.errors.empty());
}
GST_END_TEST

static Suite *cudacamsrc_decoders_suite() {
  auto *suite = suite_create("cudacamsrc-decoders");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, the_same_kind_once_more_then_the_next_best);
  tcase_add_test(tests, a_decoder_that_was_asked_for_is_never_replaced);
  tcase_add_test(tests, jpeg_goes_on_without_the_gpu_s_decoder);
  tcase_add_test(tests, jpeg_gets_the_gpu_s_decoder_where_there_is_one);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_decoders)
