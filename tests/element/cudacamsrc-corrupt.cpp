// SPDX-License-Identifier: LGPL-2.1-or-later
/// Streams that are damaged on their way, and a decoder that stops: frames come back.
#include <gst/sdp/gstsdpmessage.h>

#include <atomic>
#include <cstring>
#include <random>

#include "camera-bench.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::adopt;
using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::CameraCodec;
using cudacam::test::Output;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

enum class Damage { none, bit_flips, loss, no_parameter_sets };

/// Damages the packets of every connection of a bench in front of its depayloader.
class Corruptor {
 public:
  explicit Corruptor(CameraBench &bench) {
    g_signal_connect(bench.pipeline(), "deep-element-added", G_CALLBACK(on_element), this);
  }
  void set(Damage damage) { damage_ = damage; }
  unsigned damaged() const { return damaged_; }

 private:
  static void on_element(GstBin *, GstBin *, GstElement *element, Corruptor *self) {
    const std::string name = GST_OBJECT_NAME(gst_element_get_factory(element));
    if (name == "rtspsrc") g_signal_connect(element, "on-sdp", G_CALLBACK(on_sdp), self);
    if (name.size() < 5 || name.substr(name.size() - 5) != "depay") return;
    const auto pad = adopt(gst_element_get_static_pad(element, "sink"));
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, on_packet, self, nullptr);
  }

  /// Parameter sets are in the description too.
  static void on_sdp(GstElement *, GstSDPMessage *description, Corruptor *self) {
    if (self->damage_ != Damage::no_parameter_sets) return;
    auto *media = const_cast<GstSDPMedia *>(gst_sdp_message_get_media(description, 0));
    for (guint i = 0; i < gst_sdp_media_attributes_len(media); i++) {
      const auto *attribute = gst_sdp_media_get_attribute(media, i);
      if (std::strcmp(attribute->key, "fmtp") != 0) continue;
      GstSDPAttribute bare;
      gst_sdp_attribute_set(&bare, "fmtp", "96 packetization-mode=1");
      gst_sdp_media_replace_attribute(media, i, &bare);
    }
  }

  static GstPadProbeReturn on_packet(GstPad *, GstPadProbeInfo *info, gpointer data) {
    auto *self = static_cast<Corruptor *>(data);
    constexpr gsize header = 12;
    const auto size = gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info));
    if (size <= header) return GST_PAD_PROBE_OK;
    switch (self->damage_) {
      case Damage::none:
        break;
      case Damage::bit_flips: {
        if (self->random_() % 2) break;
        auto *packet = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
        GST_PAD_PROBE_INFO_DATA(info) = packet;
        const auto at = header + self->random_() % (size - header);
        guint8 byte;
        gst_buffer_extract(packet, at, &byte, 1);
        byte = static_cast<guint8>(byte ^ (1 << self->random_() % 8));
        gst_buffer_fill(packet, at, &byte, 1);
        self->damaged_++;
        break;
      }
      case Damage::loss:
        if (self->random_() % 2) break;
        self->damaged_++;
        return GST_PAD_PROBE_DROP;
      case Damage::no_parameter_sets: {
        guint8 unit;
        gst_buffer_extract(GST_PAD_PROBE_INFO_BUFFER(info), header, &unit, 1);
        if ((unit & 0x1f) != 7 && (unit & 0x1f) != 8) break;
        self->damaged_++;
        return GST_PAD_PROBE_DROP;
      }
    }
    return GST_PAD_PROBE_OK;
  }

  std::atomic<Damage> damage_{Damage::none};
  std::atomic<unsigned> damaged_{0};
  std::mt19937 random_{11};  // of one streaming thread at a time
};

void wait_good_frames(CameraBench &bench, guint64 more) {
  guint64 goal = 0;
  bench.wait("a look at the frames", [&](const auto &it) {
    goal = it.checker.good() + more;
    return true;
  });
  bench.wait("good frames", [&](const auto &it) { return it.checker.good() >= goal; });
}

TestCameraOptions small_picture(CameraCodec codec = CameraCodec::kH264) {
  TestCameraOptions options;
  options.codec = codec;
  options.width = 320;
  options.height = 192;
  options.fps = 50;
  options.gop = 10;
  return options;
}

}  // namespace

/// With or without a reconnect, when the damage ends good frames come.
GST_START_TEST(bit_flips_and_lost_packets_wedge_nothing) {
  struct Kind {
    CameraCodec codec;
    const char *decoder;
  };
  std::vector<Kind> kinds = {{CameraCodec::kH264, "avdec_h264"},
                             {CameraCodec::kH264, "openh264dec"},
                             {CameraCodec::kH265, "avdec_h265"},
                             {CameraCodec::kJpeg, "jpegdec"}};
  if (adopt(gst_element_factory_find("nvh264dec")))
    kinds.push_back({CameraCodec::kH264, "nvh264dec"});
  for (const auto &kind : kinds) {
    TestCamera camera(small_picture(kind.codec));
    CameraBench bench("location=" + camera.url() +
                      " decode-timeout=3000000000 decoder=" + kind.decoder);
    Corruptor corruptor(bench);
    bench.play();
    bench.wait_connection(1);
    for (const auto damage : {Damage::bit_flips, Damage::loss}) {
      const auto before = corruptor.damaged();
      corruptor.set(damage);
      bench.wait("damage", [&](const auto &) { return corruptor.damaged() >= before + 30; });
      corruptor.set(Damage::none);
      wait_good_frames(bench, 15);
    }
    bench.set_state(GST_STATE_NULL);
    fail_unless(bench.errors.empty());
    fail_unless_equals_uint64(bench.segments, 1);
    fail_unless_equals_uint64(bench.eos + bench.flushes, 0);
  }
}
GST_END_TEST

GST_START_TEST(missing_parameter_sets_are_told_and_waited_for) {
  TestCamera camera(small_picture());
  CameraBench bench(at(camera) + "first-frame-timeout=1000000000");
  Corruptor corruptor(bench);
  corruptor.set(Damage::no_parameter_sets);
  bench.play();
  bench.wait_warning("no-frames");
  fail_unless(corruptor.damaged() > 0);
  fail_unless_equals_uint64(bench.statistic<guint64>("frames"), 0);
  g_object_set(bench.camera(), "first-frame-timeout", 50 * GST_SECOND, nullptr);
  corruptor.set(Damage::none);
  bench.wait_connection(1);
  wait_good_frames(bench, 15);
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
  fail_unless_equals_uint64(bench.checker.bad(), 0);
}
GST_END_TEST

/// While the connection lasts.
GST_START_TEST(pictures_without_frames_are_counted_at_once) {
  TestCamera camera(small_picture());
  CameraBench bench("location=" + camera.url());
  bench.play();
  bench.wait_frames(3);
  fail_unless_equals_uint64(bench.statistic<guint64>("dropped"), 0);
  const auto input = adopt(gst_element_get_static_pad(bench.decoder().get(), "sink"));
  std::atomic<int> losses{5};
  gst_pad_add_probe(
      input.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *, GstPadProbeInfo *, gpointer left) {
        return --*static_cast<std::atomic<int> *>(left) >= 0 ? GST_PAD_PROBE_DROP
                                                             : GST_PAD_PROBE_OK;
      },
      &losses, nullptr);
  bench.wait("the count",
             [](const auto &it) { return it.template statistic<guint64>("dropped") >= 5; });
  fail_unless_equals_uint64(bench.statistic<guint64>("outages"), 0);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// It gets a second connection, in case the camera was to blame; then another takes its place.
/// Making a decoder may take long: no timer fires for that.
GST_START_TEST(a_decoder_that_stopped_for_good_is_replaced) {
  TestCamera camera(small_picture());
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  bench.wait_frames(3);
  const auto stopped = bench.decoder();
  const auto input = adopt(gst_element_get_static_pad(stopped.get(), "sink"));
  gst_pad_add_probe(
      input.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *, GstPadProbeInfo *, gpointer) { return GST_PAD_PROBE_DROP; }, nullptr, nullptr);
  g_object_set(bench.camera(), "decode-timeout", 500 * GST_MSECOND, nullptr);
  bench.wait_status("closing", "no-frames");
  g_object_set(bench.camera(), "decode-timeout", guint64(0), nullptr);
  bench.wait_status("waiting-first-frame", "no-frames");
  fail_unless(bench.decoder().get() == stopped.get());
  g_object_set(bench.camera(), "first-frame-timeout", 500 * GST_MSECOND, nullptr);
  bench.wait_status("closing", "no-frames");
  g_object_set(bench.camera(), "first-frame-timeout", 50 * GST_SECOND, nullptr);
  bench.wait("frames of another decoder", [&](const auto &it) {
    return it.connections > it.losses && it.outputs.back().kind == Output::frame;
  });
  fail_unless(bench.decoder().get() != stopped.get());
  fail_unless(bench.statistic<guint64>("decoders") >= 2);
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
  fail_unless_equals_uint64(bench.checker.bad(), 0);
  fail_unless_equals_uint64(bench.segments, 1);
}
GST_END_TEST

static Suite *cudacamsrc_corrupt_suite() {
  auto *suite = suite_create("cudacamsrc-corrupt");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, bit_flips_and_lost_packets_wedge_nothing);
  tcase_add_test(tests, missing_parameter_sets_are_told_and_waited_for);
  tcase_add_test(tests, pictures_without_frames_are_counted_at_once);
  tcase_add_test(tests, a_decoder_that_stopped_for_good_is_replaced);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_corrupt)
