// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cameras send, and how it may change: one stream comes out, by the same decoder.
#include "camera-bench.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::CameraCodec;
using cudacam::test::Output;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

TestCameraOptions small_picture() {
  TestCameraOptions options;
  options.width = 320;
  options.height = 192;
  options.gop = 10;
  return options;
}

void check_one_stream(CameraBench &bench, guint64 decoders) {
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), decoders);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.checker.bad(), 0);
  fail_unless_equals_uint64(bench.segments, 1);
  fail_unless_equals_uint64(bench.stream_starts, 1);
  fail_unless_equals_uint64(bench.eos + bench.flushes, 0);
  fail_unless(bench.errors.empty());
}

void wait_width(CameraBench &bench, int width) {
  bench.wait("the new width", [width](const auto &it) {
    return !it.outputs.empty() && it.outputs.back().width == width;
  });
}

}  // namespace

GST_START_TEST(profile_and_frame_rate_change_at_a_reconnect) {
  TestCamera camera(small_picture());
  CameraBench bench(at(camera));
  bench.play();
  guint64 connection = 1;
  bench.wait_connection(connection);
  const struct {
    const char *profile;
    int fps, b_frames;
  } changes[] = {{"high", 25, 0}, {"constrained-baseline", 10, 0}, {"high", 30, 2}, {"main", 5, 0}};
  for (const auto &to : changes) {
    camera.change([&](TestCameraOptions &options) {
      options.profile = to.profile;
      options.fps = to.fps;
      options.b_frames = to.b_frames;
    });
    bench.wait_frames(3);
    camera.close_connections();
    bench.wait_connection(++connection);
    bench.wait_frames(12);  // past the second key frame
  }
  check_one_stream(bench, 1);
}
GST_END_TEST

GST_START_TEST(ten_bits) {
  auto options = small_picture();
  options.codec = CameraCodec::kH265;
  options.ten_bit = true;
  TestCamera camera(options);
  CameraBench bench(at(camera) + "decoder=avdec_h265",
                    "capsfilter caps=video/x-raw,format=I420_10LE ! fakesink name=sink");
  bench.play();
  bench.wait_connection(1);
  bench.wait_frames(15);
  camera.close_connections();
  bench.wait_connection(2);
  bench.wait_frames(15);
  check_one_stream(bench, 1);
}
GST_END_TEST

/// Only the video is asked for.
GST_START_TEST(sound_and_metadata_beside_the_video) {
  for (const char *transport : {"tcp", "udp"}) {
    auto options = small_picture();
    options.with_audio = true;
    options.with_metadata = true;
    TestCamera camera(options);
    CameraBench bench(at(camera) + "protocols=" + transport);
    bench.play();
    bench.wait_connection(1);
    bench.wait_frames(10);
    g_signal_emit_by_name(bench.camera(), "reconnect");
    bench.wait_connection(2);
    bench.wait_frames(10);
    check_one_stream(bench, 1);
  }
}
GST_END_TEST

static void check_full_hd_then_4k_then_small(const std::string &transport) {
  auto options = small_picture();
  options.width = 1920;
  options.height = 1080;
  options.fps = 3;  // 4K at more is work for a whole core, and over UDP nobody waits for it
  options.gop = 3;
  options.bitrate = 2000;
  TestCamera camera(options);
  CameraBench bench(at(camera) + "protocols=" + transport);
  bench.play();
  bench.wait_connection(1);
  guint64 connection = 1;
  for (const auto &[width, height] : {std::pair{3840, 2160}, {640, 360}}) {
    camera.change([w = width, h = height](TestCameraOptions &it) {
      it.width = w;
      it.height = h;
    });
    g_signal_emit_by_name(bench.camera(), "reconnect");  // over UDP only a silence would tell
    bench.wait_connection(++connection);
    wait_width(bench, width);
    bench.wait_frames(3);
  }
  for (const auto &[width, height] : {std::pair{1920, 1080}, {640, 360}}) {  // in the stream
    camera.set_resolution(width, height);
    wait_width(bench, width);
    bench.wait_frames(3);
  }
  check_one_stream(bench, 1);
}

GST_START_TEST(full_hd_then_4k_then_small_over_tcp) {
  check_full_hd_then_4k_then_small("tcp");
}
GST_END_TEST

GST_START_TEST(full_hd_then_4k_then_small_over_udp) {
  check_full_hd_then_4k_then_small("udp");
}
GST_END_TEST

static Suite *cudacamsrc_streams_suite() {
  auto *suite = suite_create("cudacamsrc-streams");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, profile_and_frame_rate_change_at_a_reconnect);
  tcase_add_test(tests, ten_bits);
  tcase_add_test(tests, sound_and_metadata_beside_the_video);
  tcase_add_test(tests, full_hd_then_4k_then_small_over_tcp);
  tcase_add_test(tests, full_hd_then_4k_then_small_over_udp);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_streams)
