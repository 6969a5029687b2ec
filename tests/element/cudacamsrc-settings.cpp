// SPDX-License-Identifier: LGPL-2.1-or-later
/// Timeouts and limits that are set while cudacamsrc runs.
#include "camera-bench.hpp"
#include "teardown-hold.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::TeardownHold;
using cudacam::test::TestCamera;

namespace {

/// Longer than any wait of the bench: what would come after it does not come.
constexpr const char *kNever = "3600000000000";

void set_time(const CameraBench &bench, const char *property, GstClockTime time) {
  g_object_set(bench.camera(), property, time, nullptr);
}

}  // namespace

/// Each of them in a connection that began without it.
GST_START_TEST(timeouts_hold_at_once) {
  TestCamera camera;
  CameraBench bench(at(camera) + "connect-timeout=" + kNever + " first-frame-timeout=" + kNever);
  camera.freeze();
  bench.play();
  bench.wait_status("connecting", "none");
  set_time(bench, "connect-timeout", 100 * GST_MSECOND);
  bench.wait_status("closing", "no-answer");
  set_time(bench, "connect-timeout", 3600 * GST_SECOND);
  camera.unfreeze();
  bench.wait_connection(1);

  camera.freeze();
  set_time(bench, "stall-timeout", 200 * GST_MSECOND);
  bench.wait_status("closing", "stalled");
  set_time(bench, "stall-timeout", 0);
  camera.unfreeze();
  bench.wait("frames after the return",
             [](const auto &it) { return it.connections == 2 && it.frames > 0; });
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
}
GST_END_TEST

/// Also when that is sooner than what was being waited for.
GST_START_TEST(limits_of_retries_hold_at_once) {
  TestCamera camera;
  CameraBench bench(at(camera) + "retry-min-delay=" + kNever + " retry-max-delay=" + kNever);
  bench.play();
  bench.wait_connection(1);
  g_object_set(bench.camera(), "retry-min-delay", GST_MSECOND, "retry-max-delay", 2 * GST_MSECOND,
               nullptr);
  camera.close_connections();
  bench.wait_connection(2);

  g_object_set(bench.camera(), "retry-min-delay", 3600 * GST_SECOND, "retry-max-delay",
               3600 * GST_SECOND, nullptr);
  camera.stop();
  bench.wait_status("backoff");
  set_time(bench, "retry-timeout", GST_MSECOND);
  bench.wait_status("failed");
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(bench.errors.size(), 1);
}
GST_END_TEST

/// It was told what it may take to be closed when it was made.
GST_START_TEST(a_connection_is_not_waited_for_longer_than_it_was_told) {
  TestCamera camera;
  CameraBench bench(at(camera) + "teardown-timeout=100000000");
  TeardownHold hold(bench);
  bench.play();
  bench.wait_connection(1);
  set_time(bench, "teardown-timeout", 3600 * GST_SECOND);
  set_time(bench, "retry-timeout", 0);  // whatever holds at once
  g_signal_emit_by_name(bench.camera(), "reconnect");
  bench.wait_connection(2);
  hold.let_go();
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
}
GST_END_TEST

/// What comes while no camera is wanted is not kept for later.
GST_START_TEST(what_is_asked_for_in_null_is_forgotten) {
  TestCamera camera;
  CameraBench bench(at(camera));
  for (int i = 0; i < 100; i++) g_signal_emit_by_name(bench.camera(), "reconnect");
  set_time(bench, "stall-timeout", 0);
  bench.play();
  bench.wait_connection(1);
  fail_unless_equals_uint64(bench.statistic<guint64>("attempts"), 1);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

static Suite *cudacamsrc_settings_suite() {
  auto *suite = suite_create("cudacamsrc-settings");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, timeouts_hold_at_once);
  tcase_add_test(tests, limits_of_retries_hold_at_once);
  tcase_add_test(tests, a_connection_is_not_waited_for_longer_than_it_was_told);
  tcase_add_test(tests, what_is_asked_for_in_null_is_forgotten);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_settings)
