// SPDX-License-Identifier: LGPL-2.1-or-later
/// A cable that is pulled: packets vanish and nobody says so. Skipped where no network can be made.
#include "camera-bench.hpp"
#include "check-main.hpp"
#include "network.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::CameraNetwork;
using cudacam::test::Output;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

std::string problem() {
  const std::string reason = CameraNetwork::problem();
  return reason.empty() ? "" : "a network for the camera " + reason;
}

TestCameraOptions behind(const CameraNetwork &network) {
  TestCameraOptions options;
  options.width = 320;
  options.height = 192;
  options.address = CameraNetwork::address();
  options.network = network.descriptor();
  return options;
}

void check_pulled_cable(const std::string &transport) {
  CameraNetwork network;
  TestCamera camera(behind(network));
  // A slow machine may be silent for as long by itself: that is one loss more, and no harm.
  CameraBench bench("location=" + camera.url() + " protocols=" + transport +
                    " stall-timeout=2000000000 connect-timeout=20000000000"
                    " teardown-timeout=200000000");
  const auto set_patience = [&](GstClockTime patience) {
    g_object_set(bench.camera(), "connect-timeout", patience, nullptr);
  };
  bench.play();
  bench.wait_connection(1);
  for (int i = 0; i < 2; i++) {
    bench.wait_frames(3);
    network.cut();
    set_patience(GST_SECOND);
    bench.wait_status("closing", "stalled");
    bench.wait_status("connecting", "no-answer");
    set_patience(20 * GST_SECOND);
    network.mend();
    bench.wait("the return", [](const auto &it) {
      return it.connections > it.losses && it.outputs.back().kind == Output::frame;
    });
  }
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 1);
  network.cut();
  bench.set_state(GST_STATE_NULL);  // bounded, though nobody answers TEARDOWN
  fail_unless_equals_uint64(bench.checker.bad(), 0);
  fail_unless_equals_uint64(bench.segments, 1);
  fail_unless_equals_uint64(bench.eos + bench.flushes, 0);
  fail_unless(bench.errors.empty());
}

}  // namespace

GST_START_TEST(a_pulled_cable_over_tcp) {
  check_pulled_cable("tcp");
}
GST_END_TEST

GST_START_TEST(a_pulled_cable_over_udp) {
  check_pulled_cable("udp");
}
GST_END_TEST

GST_START_TEST(a_camera_that_was_never_reachable) {
  CameraNetwork network;
  TestCamera camera(behind(network));
  network.cut();
  CameraBench bench(at(camera) + "connect-timeout=1000000000");
  bench.play();
  bench.wait_warning("no-answer");
  network.mend();
  g_object_set(bench.camera(), "connect-timeout", 50 * GST_SECOND, nullptr);
  bench.wait_connection(1);
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
}
GST_END_TEST

static Suite *cudacamsrc_black_hole_suite() {
  auto *suite = suite_create("cudacamsrc-black-hole");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_pulled_cable_over_tcp);
  tcase_add_test(tests, a_pulled_cable_over_udp);
  tcase_add_test(tests, a_camera_that_was_never_reachable);
  return suite;
}

CHECK_MAIN_UNLESS(cudacamsrc_black_hole, problem())
