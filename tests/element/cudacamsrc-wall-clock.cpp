// SPDX-License-Identifier: LGPL-2.1-or-later
/// Somebody sets the time of the day: nothing happens.
#include "camera-bench.hpp"
#include "test-camera.hpp"
#include "wall-clock.hpp"

#include <gst/check/gstcheck.h>

using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::Output;
using cudacam::test::step_wall_clock;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

constexpr gint64 kHour = 3600;

TestCameraOptions small_picture() {
  TestCameraOptions options;
  options.width = 256;
  options.height = 96;
  return options;
}

}  // namespace

/// Guards the tests below: the clock that GLib shows is the one that is stepped, and no other is.
GST_START_TEST(the_clock_is_stepped) {
  const auto before = g_get_real_time();
  const auto monotonic = g_get_monotonic_time();
  step_wall_clock(kHour);
  fail_unless(g_get_real_time() - before >= kHour * G_USEC_PER_SEC);
  fail_unless(g_get_monotonic_time() - monotonic < kHour * G_USEC_PER_SEC);
}
GST_END_TEST

/// Each timer is far shorter than the step and far longer than a machine is slow. A decoder on the
/// CPU, for NVIDIA's driver waits until a time of the wall clock, which is not the one that it
/// reads.
static void check_steps_while_streaming(const std::string &transport) {
  TestCamera camera(small_picture());
  CameraBench bench(at(camera) + "protocols=" + transport +
                    " decoder=avdec_h264 stall-timeout=20000000000 decode-timeout=20000000000"
                    " connect-timeout=20000000000 first-frame-timeout=20000000000"
                    " retry-timeout=30000000000");
  bench.play();
  bench.wait_connection(1);
  for (const auto step : {kHour, -2 * kHour, 24 * kHour, -24 * kHour}) {
    bench.wait_frames(5);
    step_wall_clock(step);
    bench.wait_frames(15);
  }
  fail_unless_equals_uint64(bench.statistic<guint64>("outages"), 0);
  fail_unless_equals_uint64(bench.statistic<guint64>("attempts"), 1);
  const auto now = gst_element_get_current_running_time(bench.camera());
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.warnings.empty());
  fail_unless_equals_uint64(bench.checker.bad(), 0);
  GstClockTime last = 0;
  for (const auto &output : bench.outputs) {
    if (output.kind != Output::frame) continue;
    fail_unless(output.time > last);
    last = output.time;
  }
  fail_unless(last < now + GST_SECOND);
}

GST_START_TEST(a_step_is_no_silence_and_moves_no_frame_over_tcp) {
  check_steps_while_streaming("tcp");
}
GST_END_TEST

GST_START_TEST(a_step_is_no_silence_and_moves_no_frame_over_udp) {
  check_steps_while_streaming("udp");
}
GST_END_TEST

/// Not while the camera is away either: retries go on, and no outage seems an hour long. Over UDP
/// only a silence tells that it went.
static void check_steps_during_an_outage(const std::string &options) {
  TestCamera camera(small_picture());
  CameraBench bench(at(camera) + options + " decoder=avdec_h264 retry-timeout=50000000000");
  bench.play();
  bench.wait_connection(1);
  for (const auto step : {kHour, -2 * kHour}) {
    camera.stop();
    bench.wait_status("backoff", "connection-refused");
    step_wall_clock(step);
    bench.wait_status("connecting", "connection-refused");
    bench.wait_status("connecting", "connection-refused");
    fail_unless(bench.statistic<guint64>("total-downtime") < kHour * GST_SECOND / 2);
    camera.start();
    bench.wait("the return", [](const auto &it) {
      return it.connections > it.losses && it.outputs.back().kind == Output::frame;
    });
  }
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
  fail_unless_equals_uint64(bench.checker.bad(), 0);
}

GST_START_TEST(a_step_neither_ends_an_outage_nor_makes_it_longer_over_tcp) {
  check_steps_during_an_outage("protocols=tcp");
}
GST_END_TEST

GST_START_TEST(a_step_neither_ends_an_outage_nor_makes_it_longer_over_udp) {
  check_steps_during_an_outage("protocols=udp stall-timeout=1500000000");
}
GST_END_TEST

static Suite *cudacamsrc_wall_clock_suite() {
  auto *suite = suite_create("cudacamsrc-wall-clock");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, the_clock_is_stepped);
  tcase_add_test(tests, a_step_is_no_silence_and_moves_no_frame_over_tcp);
  tcase_add_test(tests, a_step_is_no_silence_and_moves_no_frame_over_udp);
  tcase_add_test(tests, a_step_neither_ends_an_outage_nor_makes_it_longer_over_tcp);
  tcase_add_test(tests, a_step_neither_ends_an_outage_nor_makes_it_longer_over_udp);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_wall_clock)
