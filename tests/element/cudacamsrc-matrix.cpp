// SPDX-License-Identifier: LGPL-2.1-or-later
/// Every way in which a camera fails, over TCP and UDP: one failure makes one outage, and frames
/// come back in order.
#include <algorithm>
#include <atomic>

#include "camera-bench.hpp"
#include "request-hook.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::CameraCodec;
using cudacam::test::Output;
using cudacam::test::RequestHook;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

struct Case {
  std::string name;
  std::function<void()> lose;
  /// What the user is told before the camera is well again; empty: nothing to wait for.
  std::string warning;
  std::function<void()> heal = [] {};
};

/// Over UDP rtspsrc does not notice a camera's FIN: silence tells, and on a slow machine a silence
/// more or less means nothing. Over TCP each failure is one outage, exactly.
void check_matrix(const std::string &transport) {
  const bool exact = transport == "tcp";
  TestCameraOptions options;
  options.width = 320;
  options.height = 192;
  options.gop = 10;
  TestCamera camera(options);
  CameraBench bench(at(camera) + "protocols=" + transport +
                    " latency=50 teardown-timeout=300000000" +
                    (exact ? "" : " stall-timeout=2000000000"));
  // Restarts the camera in the middle of the next handshake that it is armed for.
  std::atomic<bool> armed{false};
  const RequestHook breaker(bench, [&](GstRTSPMethod method) {
    if (method != GST_RTSP_SETUP || !armed.exchange(false)) return;
    camera.stop();
    camera.start();
  });
  const auto cut = [&] { camera.close_connections(); };
  const auto refused_with = [&](unsigned status, const char *reason) {
    return Case{std::to_string(status),
                [&camera, status] {
                  camera.refuse(status);
                  camera.close_connections();
                },
                reason, [&camera] { camera.refuse(0); }};
  };
  const Case cases[] = {
      {"FIN", cut, ""},
      {"RST", [&] { camera.reset_connections(); }, ""},
      {"BYE", [&] { camera.send_eos(); }, ""},
      {"TEARDOWN ignored",
       [&] {
         camera.freeze();
         g_signal_emit_by_name(bench.camera(), "reconnect");
       },
       "", [&] { camera.unfreeze(); }},
      {"401",
       [&] {
         camera.require_password("admin", "secret");
         cut();
       },
       "unauthorized", [&] { camera.require_password("", ""); }},
      refused_with(404, "not-found"),
      refused_with(453, "busy"),
      refused_with(454, "busy"),
      refused_with(503, "busy"),
      {"slow first keyframe",
       [&] {
         camera.set_first_keyframe_delay(std::chrono::milliseconds(700));
         cut();
       },
       "", [&] { camera.set_first_keyframe_delay(std::chrono::milliseconds(0)); }},
      {"restart during the handshake",
       [&] {
         armed = true;
         cut();
       },
       ""},
      {"port closed", [&] { camera.stop(); }, "connection-refused", [&] { camera.start(); }},
      {"name unknown",
       [&] {
         g_object_set(bench.camera(), "location", "rtsp://no-such-camera.invalid/cam", nullptr);
         cut();
       },
       "unknown-host",
       [&] { g_object_set(bench.camera(), "location", camera.url().c_str(), nullptr); }},
      {"audio only",
       [&] {
         camera.set_codec(CameraCodec::kAudio);
         cut();
       },
       "no-video", [&] { camera.set_codec(CameraCodec::kH264); }},
      {"H.265 now",
       [&] {
         camera.set_codec(CameraCodec::kH265);
         cut();
       },
       ""},
      {"H.264 again",
       [&] {
         camera.set_codec(CameraCodec::kH264);
         cut();
       },
       ""},
      {"JPEG now",
       [&] {
         camera.set_codec(CameraCodec::kJpeg);
         cut();
       },
       ""},
      {"H.264 after JPEG",
       [&] {
         camera.set_codec(CameraCodec::kH264);
         cut();
       },
       ""},
      {"larger",
       [&] {
         camera.set_resolution(640, 360);
         cut();
       },
       ""},
      {"smaller",
       [&] {
         camera.set_resolution(256, 96);
         cut();
       },
       ""},
      {"timestamps begin anew",
       [&] {
         camera.set_rtp_start(0);
         cut();
       },
       ""},
  };

  bench.play();
  bench.wait_connection(1);
  for (const auto &it : cases) {
    std::size_t told = 0;
    guint64 before = 0;
    bench.wait("a look back", [&](const auto &b) {
      told = b.warnings.size();
      before = b.losses;
      return true;
    });
    it.lose();
    bench.wait(it.name.c_str(), [&](const auto &b) { return b.losses > before; });
    if (!it.warning.empty()) {
      bench.wait((it.name + ": " + it.warning).c_str(), [&](const auto &b) {
        return std::count(b.warnings.begin() + told, b.warnings.end(), it.warning) > 0;
      });
    }
    it.heal();
    bench.wait((it.name + ": the return").c_str(), [&](const auto &b) {
      return b.connections > b.losses && b.outputs.back().kind == Output::frame;
    });
    bench.wait_frames(5);
    if (exact) {
      fail_unless(bench.statistic<guint64>("outages") == before + 1, "%s", it.name.c_str());
    }
  }
  fail_unless(!armed);
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"),
                            5);  // the codec changed four times
  bench.set_state(GST_STATE_NULL);
  fail_unless(std::count(bench.warnings.begin(), bench.warnings.end(), "decoder-failed") == 0);
  if (exact) fail_unless_equals_uint64(bench.losses, std::size(cases));
  fail_unless_equals_uint64(bench.gaps, bench.losses);
  fail_unless_equals_uint64(bench.checker.bad(), 0);
  fail_unless_equals_uint64(bench.segments, 1);
  fail_unless_equals_uint64(bench.stream_starts, 1);
  fail_unless_equals_uint64(bench.eos + bench.flushes, 0);
  fail_unless(bench.errors.empty());
  GstClockTime last = 0;
  for (const auto &output : bench.outputs) {
    if (output.kind != Output::frame) continue;
    fail_unless(output.time > last);
    last = output.time;
  }
}

}  // namespace

GST_START_TEST(every_failure_over_tcp) {
  check_matrix("tcp");
}
GST_END_TEST

GST_START_TEST(every_failure_over_udp) {
  check_matrix("udp");
}
GST_END_TEST

static Suite *cudacamsrc_matrix_suite() {
  auto *suite = suite_create("cudacamsrc-matrix");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, every_failure_over_tcp);
  tcase_add_test(tests, every_failure_over_udp);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_matrix)
