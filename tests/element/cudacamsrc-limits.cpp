// SPDX-License-Identifier: LGPL-2.1-or-later
/// When cudacamsrc gives up, where it looks for the camera, whom it trusts, and what a connection
/// that does not close may cost.
#include <atomic>
#include <memory>

#include "camera-bench.hpp"
#include "pad-block.hpp"
#include "teardown-hold.hpp"
#include "test-camera.hpp"
#include "test-certificate.hpp"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>

using cudacam::adopt;
using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::count_entries;
using cudacam::test::PadBlock;
using cudacam::test::TeardownHold;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

guint64 losses(const CameraBench &bench, const char *reason) {
  GstStructure *raw = nullptr;
  g_object_get(bench.camera(), "statistics", &raw, nullptr);
  const cudacam::StructurePtr statistics(raw);
  const auto *value = gst_structure_get_value(raw, "losses");
  fail_unless(value && GST_VALUE_HOLDS_STRUCTURE(value));
  guint64 count = 0;
  gst_structure_get_uint64(gst_value_get_structure(value), reason, &count);
  return count;
}

/// A database that trusts the test camera.
cudacam::ObjectPtr<GTlsDatabase> trust_in_the_test_camera() {
  char *name = nullptr;
  const int file = g_file_open_tmp(nullptr, &name, nullptr);
  fail_unless(file >= 0);
  const cudacam::CharPtr path(name);
  g_close(file, nullptr);
  fail_unless(g_file_set_contents(name, cudacam::test::kTestCertificate, -1, nullptr));
  auto database = adopt(g_tls_file_database_new(name, nullptr));
  fail_unless(database != nullptr);
  g_unlink(name);
  return cudacam::ObjectPtr<GTlsDatabase>(G_TLS_DATABASE(database.release()));
}

}  // namespace

GST_START_TEST(used_up_attempts_are_one_error) {
  TestCamera camera;
  camera.set_not_found(true);
  CameraBench bench(at(camera) + "retry-attempts=3");
  bench.play();
  bench.wait_status("failed");
  fail_unless_equals_uint64(bench.statistic<guint64>("attempts"), 4);
  fail_unless_equals_uint64(bench.statistic<guint64>("num-retry"), 3);
  fail_unless_equals_uint64(losses(bench, "not-found"), 4);
  fail_unless_equals_uint64(bench.statistic<guint64>("rtsp-status-code"), 404);
  fail_unless_equals_uint64(bench.statistic<guint64>("first-frame-delay"), GST_CLOCK_TIME_NONE);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(bench.errors.size(), 1);
  fail_unless(bench.errors[0].find("retry-attempts") != std::string::npos);
  fail_unless(bench.errors[0].find("path") != std::string::npos);  // what to do about it

  camera.set_not_found(false);
  bench.play();
  bench.wait_frames(1);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

GST_START_TEST(an_outage_that_is_too_long_is_one_error) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  bench.wait_frames(3);
  g_object_set(bench.camera(), "retry-timeout", 700 * GST_MSECOND, nullptr);
  camera.stop();
  bench.wait_status("failed");
  fail_unless(bench.statistic<guint64>("downtime") >= 700 * GST_MSECOND);
  fail_unless_equals_uint64(losses(bench, "end-of-stream"), 1);
  fail_unless(losses(bench, "connection-refused") + losses(bench, "no-answer") >= 1);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(bench.errors.size(), 1);
  fail_unless_equals_uint64(bench.losses, 1);
}
GST_END_TEST

/// With all timers off nothing wakes the element while frames flow; that they did counts all the
/// same.
GST_START_TEST(a_camera_that_had_flowed_is_tried_again_at_once) {
  TestCamera camera;
  CameraBench bench(at(camera) + "retry-min-delay=10000000000 retry-max-delay=1000000000");
  bench.play();
  bench.wait_connection(1);
  const auto enough = g_get_monotonic_time() + G_USEC_PER_SEC;
  bench.wait("frames for twice as long as it takes",
             [&](const auto &) { return g_get_monotonic_time() >= enough; });
  bench.wait_frames(1);
  camera.close_connections();
  bench.wait_connection(2);
  bench.set_state(GST_STATE_NULL);
  // None, or up to a fifth of the first one.
  const std::string waiting = "status=(string)backoff", delay = "delay=(guint64)";
  for (auto from = bench.everything.find(waiting); from != std::string::npos;
       from = bench.everything.find(waiting, from + 1))
    fail_unless(std::stoull(bench.everything.substr(bench.everything.find(delay, from) +
                                                    delay.size())) <= 2 * GST_SECOND);
}
GST_END_TEST

GST_START_TEST(packets_without_frames_while_streaming) {
  TestCamera camera;
  CameraBench bench(at(camera) + "decode-timeout=2000000000");
  bench.play();
  bench.wait_connection(1);
  const auto input = adopt(gst_element_get_static_pad(bench.decoder().get(), "sink"));
  const auto loss = gst_pad_add_probe(
      input.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *, GstPadProbeInfo *, gpointer) { return GST_PAD_PROBE_DROP; }, nullptr, nullptr);
  bench.wait_status("closing", "no-frames");
  gst_pad_remove_probe(input.get(), loss);
  bench.wait_connection(2);
  fail_unless(bench.statistic<guint64>("dropped") > 0);
  fail_unless(losses(bench, "no-frames") >= 1);
  bench.wait("a bitrate",
             [](const auto &it) { return it.template statistic<guint64>("bitrate") > 0; });
  fail_unless(bench.statistic<guint64>("first-frame-delay") < 50 * GST_SECOND);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

GST_START_TEST(asks_where_the_camera_is_before_each_attempt) {
  TestCamera one, two;
  two.require_password("admin", "geheim");
  struct Asked {
    std::atomic<unsigned> times{0};
    std::string there, given;
  } asked;
  asked.given = one.url();
  asked.there = "rtsp://admin:geheim@" + two.url().substr(7);
  CameraBench bench(at(one));
  g_signal_connect(bench.camera(), "update-uri",
                   G_CALLBACK(+[](GstElement *, const char *uri, Asked *it) -> char * {
                     fail_unless_equals_string(uri, it->given.c_str());
                     return it->times++ == 0 ? nullptr : g_strdup(it->there.c_str());
                   }),
                   &asked);
  bench.play();
  bench.wait_connection(1);
  fail_unless_equals_int(asked.times, 1);
  fail_unless_equals_int(one.clients(), 1);
  one.close_connections();
  bench.wait_connection(2);
  fail_unless_equals_int(asked.times, 2);
  fail_unless_equals_int(two.clients(), 1);
  two.stop();
  bench.wait_warning("connection-refused");
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.everything.find("geheim") == std::string::npos);
}
GST_END_TEST

GST_START_TEST(trusts_no_camera_unless_told_to) {
  TestCameraOptions options;
  options.tls = true;
  TestCamera camera(options);
  // Why is found out while the connection closes: sanitized, a handshake takes seconds.
  CameraBench bench(at(camera) + "teardown-timeout=30000000000");
  bench.play();
  bench.wait_warning("untrusted");
  const auto trust = trust_in_the_test_camera();
  g_object_set(bench.camera(), "tls-database", trust.get(), nullptr);
  bench.wait_frames(3);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(bench.warnings.size(), 1);
  fail_unless(bench.warning_texts[0].find("tls-database") != std::string::npos);
}
GST_END_TEST

GST_START_TEST(certificate_checks_can_be_lowered) {
  TestCameraOptions options;
  options.tls = true;
  TestCamera camera(options);
  CameraBench bench(at(camera) + "tls-validation-flags=0");
  bench.play();
  bench.wait_frames(3);
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.warnings.empty());
}
GST_END_TEST

GST_START_TEST(connections_that_do_not_close_are_bounded_and_reaped) {
  TestCamera camera;
  CameraBench bench(at(camera) + "teardown-timeout=300000000 max-quarantined=2");
  TeardownHold hold(bench);
  bench.play();
  guint64 connection = 1;
  bench.wait_connection(connection);
  while (true) {
    g_signal_emit_by_name(bench.camera(), "reconnect");
    bench.wait("a loss", [&](const auto &it) { return it.losses >= connection; });
    // On a slow machine rtspsrc may give a TEARDOWN up before it is sent: that one does not hang.
    bench.wait("the next connection, or two that hang",
               [&](const auto &it) { return it.connections > connection || hold.held() == 2; });
    if (hold.held() == 2) break;
    bench.wait_connection(++connection);
  }
  // Two hang: no other one is opened until they are gone.
  bench.wait_warning("busy");
  bench.wait("two that have not closed in time",
             [](const auto &it) { return it.template statistic<guint64>("quarantined") == 2; });
  const auto before = bench.statistic<guint64>("connections");
  hold.let_go();
  bench.wait_connection(before + 1);
  bench.wait("an empty quarantine",
             [](const auto &it) { return it.template statistic<guint64>("quarantined") == 0; });
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// A frame is stuck downstream when the camera goes, and the connection hangs: once the frame is
/// through, downstream is told, though no other connection may be opened.
GST_START_TEST(a_loss_is_told_while_its_connection_hangs) {
  TestCamera camera;
  CameraBench bench(at(camera) + "teardown-timeout=60000000000 max-quarantined=1");
  TeardownHold hold(bench);
  bench.play();
  bench.wait_connection(1);
  PadBlock block(bench.camera(), "src");
  bench.wait("the block", [&](const auto &) { return block.reached(); });
  const auto connection = adopt(gst_bin_get_by_name(GST_BIN(bench.camera()), "connection-1"));
  g_signal_emit_by_name(bench.camera(), "reconnect");
  bench.wait("its being closed", [&](const auto &) {
    const std::unique_ptr<GstElement, void (*)(GstElement *)> locked(
        connection.get(), [](GstElement *it) { GST_OBJECT_UNLOCK(it); });
    GST_OBJECT_LOCK(locked.get());
    return GST_STATE_TARGET(locked.get()) == GST_STATE_NULL;
  });
  block.let_go();
  bench.wait("the connection that hangs", [&](const auto &) { return hold.held() == 1; });
  bench.wait("the loss", [](const auto &it) { return it.losses == 1; });
  hold.let_go();
  bench.wait_connection(2);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// A frame is stuck downstream for good, and the camera is gone, too: each attempt that fails would
/// leave somebody who waits for downstream.
GST_START_TEST(attempts_while_downstream_blocks_leave_nothing_behind) {
  TestCamera camera, gone;
  gone.stop();
  CameraBench bench(at(camera) + "teardown-timeout=1000000");
  bench.play();
  bench.wait_connection(1);
  PadBlock block(bench.camera(), "src");
  bench.wait("the block", [&](const auto &) { return block.reached(); });
  g_object_set(bench.camera(), "location", gone.url().c_str(), nullptr);
  g_signal_emit_by_name(bench.camera(), "reconnect");
  const auto wait_attempts = [&bench](guint64 count) {
    bench.wait("attempts",
               [=](const auto &it) { return it.template statistic<guint64>("attempts") >= count; });
  };
  wait_attempts(4);
  const auto tasks = count_entries("/proc/self/task");
  wait_attempts(24);
  bench.wait("threads gone",
             [&](const auto &) { return count_entries("/proc/self/task") <= tasks + 5; });
  bench.wait("the one that does not close",
             [](const auto &it) { return it.template statistic<guint64>("quarantined") == 1; });
  block.let_go();
  g_object_set(bench.camera(), "location", camera.url().c_str(), nullptr);
  bench.wait_connection(2);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

static Suite *cudacamsrc_limits_suite() {
  auto *suite = suite_create("cudacamsrc-limits");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, used_up_attempts_are_one_error);
  tcase_add_test(tests, an_outage_that_is_too_long_is_one_error);
  tcase_add_test(tests, a_camera_that_had_flowed_is_tried_again_at_once);
  tcase_add_test(tests, packets_without_frames_while_streaming);
  tcase_add_test(tests, asks_where_the_camera_is_before_each_attempt);
  tcase_add_test(tests, trusts_no_camera_unless_told_to);
  tcase_add_test(tests, certificate_checks_can_be_lowered);
  tcase_add_test(tests, a_loss_is_told_while_its_connection_hangs);
  tcase_add_test(tests, connections_that_do_not_close_are_bounded_and_reaped);
  tcase_add_test(tests, attempts_while_downstream_blocks_leave_nothing_behind);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_limits)
