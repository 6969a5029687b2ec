// SPDX-License-Identifier: LGPL-2.1-or-later
/// The gate in front of the kept decoder.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "decode/decoder-stage.hpp"
#include "decode/registry.hpp"

#include <gst/check/gstcheck.h>

using cudacam::adopt;
using cudacam::BufferPtr;
using cudacam::DecoderStage;
using cudacam::Generation;
using cudacam::Reason;

// Makes a frame of each picture, until it is worn out: then none. Remembers what it was offered and
// told to decode.
struct WearingDecoder {
  GstElement parent;
};
struct WearingDecoderClass {
  GstElementClass parent;
};
static GType wearing_decoder_get_type();
G_DEFINE_TYPE(WearingDecoder, wearing_decoder, GST_TYPE_ELEMENT)

static GstStaticPadTemplate wearing_sink = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-h264; video/x-h265"));
static GstStaticPadTemplate wearing_src =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static bool worn_out = false;
static std::vector<std::string> wearing_caps;
static std::vector<cudacam::CapsPtr> wearing_offers;

static GstFlowReturn wearing_decoder_chain(GstPad *, GstObject *element, GstBuffer *raw) {
  BufferPtr picture(raw);
  if (worn_out) return GST_FLOW_ERROR;
  const auto output = adopt(gst_element_get_static_pad(GST_ELEMENT(element), "src"));
  return gst_pad_push(output.get(), picture.release());
}

static gboolean wearing_decoder_event(GstPad *pad, GstObject *element, GstEvent *event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    GstCaps *caps = nullptr;
    gst_event_parse_caps(event, &caps);
    wearing_caps.emplace_back(gst_structure_get_name(gst_caps_get_structure(caps, 0)));
  }
  return gst_pad_event_default(pad, element, event);
}

/// As a decoder may that wants to know before it is fed.
static GstStateChangeReturn wearing_decoder_change_state(GstElement *element,
                                                         GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    const auto input = adopt(gst_element_get_static_pad(element, "sink"));
    wearing_offers.emplace_back(gst_pad_peer_query_caps(input.get(), nullptr));
  }
  return GST_ELEMENT_CLASS(wearing_decoder_parent_class)->change_state(element, transition);
}

static void wearing_decoder_init(WearingDecoder *self) {
  auto *input = gst_pad_new_from_static_template(&wearing_sink, "sink");
  gst_pad_set_chain_function(input, wearing_decoder_chain);
  gst_pad_set_event_function(input, wearing_decoder_event);
  gst_element_add_pad(GST_ELEMENT(self), input);
  gst_element_add_pad(GST_ELEMENT(self), gst_pad_new_from_static_template(&wearing_src, "src"));
}

static void wearing_decoder_class_init(WearingDecoderClass *klass) {
  auto *element = GST_ELEMENT_CLASS(klass);
  element->change_state = wearing_decoder_change_state;
  gst_element_class_add_static_pad_template(element, &wearing_sink);
  gst_element_class_add_static_pad_template(element, &wearing_src);
  gst_element_class_set_static_metadata(element, "Wearing decoder", "Codec/Decoder/Video",
                                        "Works for a while", "gst-cudacam");
}

namespace {

/// A stage in a bin of its own, downstream of nothing.
struct Fixture {
  Fixture() {
    gst_element_set_state(GST_ELEMENT(bin.get()), GST_STATE_PAUSED);
    stage.start();
  }
  ~Fixture() {
    gst_element_set_state(GST_ELEMENT(bin.get()), GST_STATE_NULL);
    stage.stop();
  }
  bool caps_from(Generation from, const char *codec = "H264") {
    const cudacam::CapsPtr caps(gst_caps_from_string(cudacam::find_codec(codec)->caps));
    return stage.on_caps(from, *cudacam::find_codec(codec), caps.get());
  }
  GstFlowReturn buffer_from(Generation from, bool keyframe) {
    BufferPtr buffer(gst_buffer_new_allocate(nullptr, 16, nullptr));
    if (!keyframe) GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT);
    return stage.on_buffer(from, std::move(buffer), std::chrono::seconds(1));
  }
  void enter(Generation generation, const char *decoder = "") {
    stage.enter(generation, {"cam", decoder, 0});
  }
  /// A connection whose first picture becomes a frame.
  void connect(Generation from) {
    enter(from, "wearingdec");
    fail_unless(caps_from(from));
    fail_unless_equals_int(buffer_from(from, true), GST_FLOW_OK);
  }

  cudacam::ObjectPtr<GstBin> bin{cudacam::sink(GST_BIN(gst_bin_new("bin")))};
  GstPad *source = [this] {
    auto *pad = gst_ghost_pad_new_no_target("src", GST_PAD_SRC);
    gst_element_add_pad(GST_ELEMENT(bin.get()), pad);
    return pad;
  }();
  unsigned failures = 0;
  std::vector<GstFlowReturn> refusals;
  std::string sentence;
  std::vector<std::string> fallbacks;
  DecoderStage stage{bin.get(),
                     source,
                     {[](Generation) {},
                      [this](Generation, cudacam::Failure failure) {
                        failures++;
                        sentence = failure.sentence;
                      },
                      [this](Generation, GstFlowReturn flow) { refusals.push_back(flow); },
                      [this](std::string text) { fallbacks.push_back(std::move(text)); },
                      [](cudacam::ObjectPtr<GstElement> decoder) {
                        gst_element_set_state(decoder.get(), GST_STATE_NULL);
                      }}};
};

/// Takes all frames and remembers their times, and the events.
struct Downstream {
  explicit Downstream(GstPad *pad) : source(pad) {
    g_object_set(element.get(), "async", FALSE, nullptr);
    gst_element_set_state(element.get(), GST_STATE_PLAYING);
    gst_pad_set_active(source, TRUE);
    fail_unless_equals_int(gst_pad_link(source, input.get()), GST_PAD_LINK_OK);
    gst_pad_add_probe(
        input.get(), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
        [](GstPad *, GstPadProbeInfo *info, gpointer self) {
          const auto type = GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info));
          auto &downstream = *static_cast<Downstream *>(self);
          downstream.events.push_back(type);
          if (type == GST_EVENT_GAP) std::exchange(downstream.on_gap, [] {})();
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
    gst_pad_add_probe(
        input.get(), GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad *, GstPadProbeInfo *info, gpointer self) {
          static_cast<Downstream *>(self)->times.push_back(
              GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)));
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  ~Downstream() {
    gst_pad_unlink(source, input.get());
    gst_element_set_state(element.get(), GST_STATE_NULL);
  }

  GstPad *const source;
  const cudacam::ObjectPtr<GstElement> element{
      cudacam::sink(gst_element_factory_make("fakesink", nullptr))};
  const cudacam::ObjectPtr<GstPad> input{adopt(gst_element_get_static_pad(element.get(), "sink"))};
  std::vector<GstEventType> events;
  std::vector<GstClockTime> times;
  std::function<void()> on_gap = [] {};
};

}  // namespace

GST_START_TEST(only_the_current_connection_enters) {
  Fixture f;
  fail_unless(!f.caps_from(1));
  f.enter(2);
  fail_unless(!f.caps_from(1));
  fail_unless_equals_int(f.buffer_from(1, true), GST_FLOW_FLUSHING);
  fail_unless_equals_uint64(f.stage.statistics().decoders, 0);
  fail_unless(f.caps_from(2));
  fail_unless_equals_uint64(f.stage.statistics().decoders, 1);
  f.stage.leave(Reason::stalled);
  fail_unless_equals_int(f.buffer_from(2, true), GST_FLOW_FLUSHING);
  fail_unless(!f.caps_from(2));
}
GST_END_TEST

GST_START_TEST(nothing_enters_before_a_keyframe) {
  Fixture f;
  f.enter(1);
  fail_unless(f.caps_from(1));
  for (int i = 0; i < 3; i++) fail_unless_equals_int(f.buffer_from(1, false), GST_FLOW_OK);
  fail_unless_equals_uint64(f.stage.statistics().skipped, 3);
  fail_unless_equals_uint64(f.stage.fed(), 0);
}
GST_END_TEST

GST_START_TEST(a_decoder_without_output_is_not_kept) {
  Fixture f;
  f.enter(1);
  fail_unless(f.caps_from(1));
  f.buffer_from(1, true);  // nonsense
  f.stage.leave(Reason::no_frames);
  f.enter(2);
  fail_unless(f.caps_from(2));
  fail_unless_equals_uint64(f.stage.statistics().decoders, 2);
}
GST_END_TEST

GST_START_TEST(a_decoder_that_was_not_fed_is_kept) {
  Fixture f;
  f.enter(1);
  fail_unless(f.caps_from(1));
  f.stage.leave(Reason::stalled);
  f.enter(2);
  fail_unless(f.caps_from(2));
  fail_unless_equals_uint64(f.stage.statistics().decoders, 1);
  f.stage.leave(Reason::stalled);
  f.enter(3, "openh264dec");  // unless another one is wished for
  fail_unless(f.caps_from(3));
  fail_unless_equals_uint64(f.stage.statistics().decoders, 2);
}
GST_END_TEST

GST_START_TEST(a_missing_decoder_is_a_failure) {
  Fixture f;
  f.enter(1, "nosuchdec");
  fail_unless(!f.caps_from(1));
  fail_unless_equals_int(f.failures, 1);
  fail_unless(f.sentence.find("nosuchdec") != std::string::npos);
  fail_unless_equals_int(f.buffer_from(1, true), GST_FLOW_NOT_NEGOTIATED);
}
GST_END_TEST

/// The EOS that drained a decoder at a loss is not downstream's, whatever the decoder does next.
GST_START_TEST(what_drained_a_decoder_is_no_refusal) {
  Fixture f;
  const Downstream downstream(f.source);
  f.connect(1);
  f.stage.leave(Reason::stalled);
  f.enter(2, "wearingdec");
  fail_unless(f.caps_from(2));
  fail_unless_equals_uint64(f.stage.statistics().decoders, 1);
  worn_out = true;
  fail_unless_equals_int(f.buffer_from(2, true), GST_FLOW_FLUSHING);
  fail_unless(f.refusals.empty());
  fail_unless_equals_int(f.failures, 1);
  worn_out = false;
  f.stage.leave(Reason::decoder_failed);
  f.enter(3, "wearingdec");
  fail_unless(f.caps_from(3));
  fail_unless_equals_uint64(f.stage.statistics().decoders, 2);
  // Downstream's own EOS is one.
  gst_pad_set_chain_function(downstream.input.get(), [](GstPad *, GstObject *, GstBuffer *frame) {
    gst_buffer_unref(frame);
    return GST_FLOW_EOS;
  });
  fail_unless_equals_int(f.buffer_from(3, true), GST_FLOW_FLUSHING);
  fail_unless_equals_int(f.refusals.size(), 1);
  fail_unless_equals_int(f.refusals[0], GST_FLOW_EOS);
  fail_unless_equals_int(f.failures, 1);
}
GST_END_TEST

/// Neither by an event nor when it asks, from what the pad in front of it had before.
GST_START_TEST(a_decoder_hears_of_no_codec_but_its_own) {
  Fixture f;
  const Downstream downstream(f.source);
  f.connect(1);
  f.stage.leave(Reason::stalled);
  f.enter(2, "wearingdec");
  fail_unless(f.caps_from(2, "H265"));
  fail_unless_equals_int(f.buffer_from(2, true), GST_FLOW_OK);
  const std::vector<std::string> expected{"video/x-h264", "video/x-h265"};
  fail_unless(wearing_caps == expected);
  const cudacam::CapsPtr own(gst_caps_from_string("video/x-h265"));
  fail_unless_equals_int(wearing_offers.size(), 2);
  fail_unless(gst_caps_can_intersect(wearing_offers[1].get(), own.get()));
}
GST_END_TEST

/// While its thread tells downstream of the loss before.
GST_START_TEST(a_connection_that_is_lost_on_its_way_in_does_not_enter) {
  Fixture f;
  Downstream downstream(f.source);
  f.connect(1);
  f.stage.leave(Reason::stalled);
  f.enter(2, "wearingdec");
  downstream.on_gap = [&] {
    f.stage.leave(Reason::stalled);
    f.enter(3, "wearingdec");
  };
  f.buffer_from(2, true);
  fail_unless_equals_uint64(f.stage.fed(), 1);
  fail_unless_equals_uint64(f.stage.statistics().frames, 1);
  // The keyframe was not the next one's.
  fail_unless(f.caps_from(3));
  fail_unless_equals_int(f.buffer_from(3, false), GST_FLOW_OK);
  fail_unless_equals_uint64(f.stage.statistics().skipped, 1);
}
GST_END_TEST

/// Whoever settles late, because a connection hung, may meet a downstream that blocks for ever, and
/// then an element that is gone.
GST_START_TEST(a_stopping_element_tells_of_no_loss) {
  Fixture f;
  const Downstream downstream(f.source);
  f.connect(1);
  f.stage.leave(Reason::none);
  f.stage.unblock();
  const auto before = downstream.events.size();
  fail_unless(f.stage.settle(true));
  fail_unless_equals_int(downstream.events.size(), before);
  f.stage.stop();
  fail_unless(f.stage.settle(true));
  fail_unless_equals_int(downstream.events.size(), before);
}
GST_END_TEST

/// Its running time begins anew, and what was not delivered in it cannot be lost.
GST_START_TEST(another_start_knows_nothing_of_the_one_before) {
  Fixture f;
  const Downstream downstream(f.source);
  f.enter(1, "wearingdec");
  fail_unless(f.caps_from(1));
  for (int i = 0; i < 2; i++) fail_unless_equals_int(f.buffer_from(1, true), GST_FLOW_OK);
  f.stage.leave(Reason::none);
  f.stage.unblock();
  f.stage.stop();
  f.stage.start();
  const auto events = downstream.events.size();
  f.enter(2, "wearingdec");
  f.stage.leave(Reason::stalled);
  fail_unless(f.stage.settle(true));
  fail_unless_equals_int(downstream.events.size(), events);
  f.connect(3);
  fail_unless_equals_uint64(f.stage.statistics().frames, 1);
  fail_unless_equals_int(downstream.times.size(), 3);
  fail_unless_equals_uint64(downstream.times[2], downstream.times[0]);
}
GST_END_TEST

/// No frame of delay for each thread, and no damaged frames.
GST_START_TEST(decoders_are_set_up_for_a_live_camera) {
  unsigned seen = 0;
  for (const char *name : {"avdec_h264", "openh264dec", "avdec_h265", "libde265dec"}) {
    const auto decoder = cudacam::make_decoder(name);
    if (!decoder) continue;
    seen++;
    gboolean discards = FALSE;
    g_object_get(decoder.get(), "discard-corrupted-frames", &discards, nullptr);
    fail_unless(discards);
    if (std::string(name).substr(0, 6) != "avdec_") continue;
    gboolean corrupt = TRUE;
    g_object_get(decoder.get(), "output-corrupt", &corrupt, nullptr);
    fail_if(corrupt);
    const auto set = cudacam::sink(gst_element_factory_make(name, nullptr));
    gst_util_set_object_arg(G_OBJECT(set.get()), "thread-type", "slice");
    guint wanted = 0, threads = 0;
    g_object_get(set.get(), "thread-type", &wanted, nullptr);
    g_object_get(decoder.get(), "thread-type", &threads, nullptr);
    fail_unless_equals_int(threads, wanted);
  }
  fail_unless(seen > 0);
}
GST_END_TEST

static Suite *decoder_stage_suite() {
  auto *suite = suite_create("decoder-stage");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  gst_element_register(nullptr, "wearingdec", GST_RANK_NONE, wearing_decoder_get_type());
  tcase_add_test(tests, only_the_current_connection_enters);
  tcase_add_test(tests, nothing_enters_before_a_keyframe);
  tcase_add_test(tests, a_decoder_without_output_is_not_kept);
  tcase_add_test(tests, a_decoder_that_was_not_fed_is_kept);
  tcase_add_test(tests, a_missing_decoder_is_a_failure);
  tcase_add_test(tests, what_drained_a_decoder_is_no_refusal);
  tcase_add_test(tests, a_decoder_hears_of_no_codec_but_its_own);
  tcase_add_test(tests, a_connection_that_is_lost_on_its_way_in_does_not_enter);
  tcase_add_test(tests, a_stopping_element_tells_of_no_loss);
  tcase_add_test(tests, another_start_knows_nothing_of_the_one_before);
  tcase_add_test(tests, decoders_are_set_up_for_a_live_camera);
  return suite;
}
GST_CHECK_MAIN(decoder_stage)
