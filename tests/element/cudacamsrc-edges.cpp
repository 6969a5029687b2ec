// SPDX-License-Identifier: LGPL-2.1-or-later
/// What an application and its pipeline ask of a source, at moments at which there is no camera.
#include <memory>

#include "camera-bench.hpp"
#include "pad-block.hpp"
#include "teardown-hold.hpp"
#include "test-camera.hpp"
#include "wait-until.hpp"

#include <gst/check/gstcheck.h>

using cudacam::adopt;
using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::PadBlock;
using cudacam::test::TeardownHold;
using cudacam::test::TestCamera;

/// As gst-launch -e does it for somebody who waited long enough.
GST_START_TEST(eos_before_there_ever_was_a_camera) {
  TestCamera camera;
  camera.stop();
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_status("backoff");
  fail_unless(gst_element_send_event(bench.pipeline(), gst_event_new_eos()));
  bench.wait("EOS", [](const auto &it) { return it.eos == 1; });
  bench.wait_status("stopped");
  bench.wait("the pipeline's EOS", [](const auto &it) {
    return it.everything.find("eos of pipeline") != std::string::npos;
  });
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
}
GST_END_TEST

GST_START_TEST(latency_can_be_told_with_and_without_a_camera) {
  TestCamera camera;
  camera.stop();
  CameraBench bench(at(camera), "fakesink name=sink sync=true");
  bench.play();
  bench.wait_status("backoff");
  fail_unless(gst_bin_recalculate_latency(GST_BIN(bench.pipeline())));
  camera.start();
  bench.wait_frames(1);
  fail_unless(gst_bin_recalculate_latency(GST_BIN(bench.pipeline())));
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// Whatever is inside: rtspsrc may provide a clock, which goes with the camera.
GST_START_TEST(is_a_source_and_provides_no_clock) {
  TestCamera camera;
  CameraBench bench(at(camera));
  const auto check = [&] {
    fail_unless(GST_OBJECT_FLAG_IS_SET(bench.camera(), GST_ELEMENT_FLAG_SOURCE));
    fail_if(GST_OBJECT_FLAG_IS_SET(bench.camera(), GST_ELEMENT_FLAG_SINK));
    fail_if(GST_OBJECT_FLAG_IS_SET(bench.camera(), GST_ELEMENT_FLAG_PROVIDE_CLOCK));
  };
  check();
  bench.play();
  bench.wait_frames(1);
  check();
  camera.stop();
  bench.wait_status("backoff");
  check();
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// The element is live, PLAYING and without a clock whatever becomes of what is inside.
GST_START_TEST(states_and_clocks_of_a_connection_stay_inside) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  {
    const auto connection = adopt(gst_bin_get_by_name(GST_BIN(bench.camera()), "connection-1"));
    auto *inside = GST_OBJECT(connection.get());
    const auto clock = adopt(gst_system_clock_obtain());
    for (auto *message : {gst_message_new_async_start(inside),
                          gst_message_new_clock_provide(inside, clock.get(), TRUE),
                          gst_message_new_clock_lost(inside, clock.get()),
                          gst_message_new_progress(inside, GST_PROGRESS_TYPE_START, "open", "x"),
                          gst_message_new_stream_start(inside), gst_message_new_eos(inside)})
      gst_element_post_message(connection.get(), message);
    fail_unless_equals_int(gst_element_get_state(bench.camera(), nullptr, nullptr, 0),
                           GST_STATE_CHANGE_SUCCESS);
    gst_element_post_message(connection.get(),
                             gst_message_new_async_done(inside, GST_CLOCK_TIME_NONE));
  }
  bench.wait_frames(3);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.losses, 0);
  for (const char *said : {"async-start of", "clock-provide of", "clock-lost of", "progress of",
                           "stream-start of c", "eos of"})
    fail_unless(bench.everything.find(said) == std::string::npos, "%s", bench.everything.c_str());
}
GST_END_TEST

GST_START_TEST(cannot_be_sought_in) {
  TestCamera camera;
  camera.stop();
  CameraBench bench(at(camera));
  const auto pad = adopt(gst_element_get_static_pad(bench.camera(), "src"));
  const auto ask = [&] {
    const cudacam::QueryPtr query(gst_query_new_seeking(GST_FORMAT_TIME));
    fail_unless(gst_pad_query(pad.get(), query.get()));
    gboolean seekable = TRUE;
    gst_query_parse_seeking(query.get(), nullptr, &seekable, nullptr, nullptr);
    fail_if(seekable);
    fail_if(gst_element_seek_simple(bench.pipeline(), GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
  };
  bench.play();
  bench.wait_status("backoff");
  ask();
  camera.start();
  bench.wait_frames(1);
  ask();
  bench.wait_frames(3);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.flushes, 0);
}
GST_END_TEST

/// In its units.
GST_START_TEST(rtspsrc_is_told_what_was_set) {
  TestCamera camera;
  CameraBench bench(at(camera) +
                    "connect-timeout=70000000000 teardown-timeout=3000000000 "
                    "latency=123 protocols=tcp user-id=admin");
  bench.play();
  bench.wait_frames(1);
  const auto connection = adopt(gst_bin_get_by_name(GST_BIN(bench.camera()), "connection-1"));
  const auto factory = adopt(gst_element_factory_find("rtspsrc"));
  cudacam::ObjectPtr<GstElement> source;
  for (auto *item = GST_BIN(connection.get())->children; item; item = item->next) {
    auto *element = GST_ELEMENT(item->data);
    if (gst_element_get_factory(element) == factory.get()) source = cudacam::share(element);
  }
  fail_unless(source != nullptr);
  guint64 tcp_timeout = 0, teardown_timeout = 0;
  guint latency = 0, protocols = 0;
  char *user = nullptr;
  g_object_get(source.get(), "tcp-timeout", &tcp_timeout, "teardown-timeout", &teardown_timeout,
               "latency", &latency, "protocols", &protocols, "user-id", &user, nullptr);
  const cudacam::CharPtr owned(user);
  fail_unless_equals_uint64(tcp_timeout, 70000000);  // us
  fail_unless_equals_uint64(teardown_timeout, 3 * GST_SECOND);
  fail_unless_equals_int(latency, 123);
  fail_unless_equals_int(protocols, 1 << 2);
  fail_unless_equals_string(user, "admin");
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// A graph is what people attach to bug reports.
GST_START_TEST(no_password_in_a_graph_of_the_pipeline) {
  TestCamera camera;
  camera.require_password("admin", "geheim");
  CameraBench bench("location=" + camera.url() + "?password=geheim user-id=admin user-pw=geheim");
  bench.play();
  bench.wait_frames(1);
  const cudacam::CharPtr graph(
      gst_debug_bin_to_dot_data(GST_BIN(bench.pipeline()), GST_DEBUG_GRAPH_SHOW_ALL));
  fail_unless(std::string(graph.get()).find("rtspsrc") != std::string::npos);
  fail_unless(std::string(graph.get()).find("geheim") == std::string::npos);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// Since READY.
GST_START_TEST(statistics_begin_anew) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  g_signal_emit_by_name(bench.camera(), "reconnect");
  bench.wait_connection(2);
  fail_unless_equals_uint64(bench.statistic<guint64>("outages"), 1);
  fail_unless(bench.statistic<guint64>("first-frame-delay") != GST_CLOCK_TIME_NONE);
  bench.set_state(GST_STATE_NULL);
  camera.stop();
  bench.play();
  bench.wait_status("backoff");
  for (const char *count : {"outages", "connections", "frames", "decoders"})
    fail_unless_equals_uint64(bench.statistic<guint64>(count), 0);
  fail_unless_equals_uint64(bench.statistic<guint64>("first-frame-delay"), GST_CLOCK_TIME_NONE);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// A connection that is closed is none that hangs, however the next one comes about.
GST_START_TEST(one_connection_that_may_hang_is_room_for_reconnects) {
  TestCamera camera;
  CameraBench bench(at(camera) + "max-quarantined=1");
  bench.play();
  for (guint64 i = 1; i <= 10; i++) {
    bench.wait_connection(i);
    g_signal_emit_by_name(bench.camera(), "reconnect");
  }
  bench.wait_connection(11);
  bench.set_state(GST_STATE_NULL);
  for (const auto &status : bench.statuses)
    fail_unless(status.find("busy") == std::string::npos, "%s", status.c_str());
}
GST_END_TEST

/// A camera that allows one session has it back first.
GST_START_TEST(a_pause_ends_before_the_next_connection) {
  TestCamera camera;
  CameraBench bench(at(camera) + "teardown-timeout=60000000000");
  TeardownHold hold(bench);
  bench.play();
  bench.wait_connection(1);
  bench.set_state(GST_STATE_PAUSED);
  bench.wait_status("stopped");
  bench.play();
  bench.wait("the connection that hangs", [&](const auto &) { return hold.held() == 1; });
  bench.wait_status("closing");
  fail_unless_equals_uint64(bench.statistic<guint64>("attempts"), 1);
  hold.let_go();
  bench.wait_status("streaming");
  fail_unless_equals_uint64(bench.statistic<guint64>("attempts"), 2);
  fail_unless_equals_uint64(bench.statistic<guint64>("num-retry"), 0);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.losses, 0);
  fail_unless(bench.warnings.empty());
}
GST_END_TEST

/// What hangs is on its own: the element may be gone when it comes to its end.
GST_START_TEST(a_connection_that_hangs_outlives_the_element) {
  TestCamera camera;
  GWeakRef connection;
  std::unique_ptr<TeardownHold> hold;
  {
    CameraBench bench(at(camera) + "teardown-timeout=60000000000");
    hold = std::make_unique<TeardownHold>(bench);
    bench.play();
    bench.wait_frames(3);
    g_weak_ref_init(&connection,
                    adopt(gst_bin_get_by_name(GST_BIN(bench.camera()), "connection-1")).get());
    bench.set_state(GST_STATE_NULL);
    bench.wait("its hanging", [&](const auto &) { return hold->held() == 1; });
  }
  hold->let_go();
  cudacam::test::wait_until(
      [&] { return !adopt(static_cast<GstObject *>(g_weak_ref_get(&connection))); },
      "the end of the connection");
  g_weak_ref_clear(&connection);
}
GST_END_TEST

/// Its own error, not that of the request.
GST_START_TEST(a_request_while_a_failure_is_dealt_with_hides_nothing) {
  TestCamera camera;
  camera.set_not_found(true);
  CameraBench bench(at(camera) + "retry-min-delay=3600000000000 retry-max-delay=3600000000000");
  bench.play();
  bench.wait_status("backoff");
  g_object_set(bench.camera(), "retry-attempts", 0, nullptr);
  g_signal_emit_by_name(bench.camera(), "reconnect");
  g_object_set(bench.camera(), "retry-timeout", GST_MSECOND, nullptr);
  bench.wait_status("failed");
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(bench.errors.size(), 1);
  fail_unless(bench.errors[0].find("path") != std::string::npos, "%s", bench.errors[0].c_str());
}
GST_END_TEST

/// With frames that are stuck downstream while the camera is lost and comes back.
GST_START_TEST(a_blocked_downstream_delays_first_frames_without_blame) {
  TestCamera camera, other;  // one that is not held up by the client that does not read
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  PadBlock block(bench.camera(), "src");
  bench.wait("the block", [&](const auto &) { return block.reached(); });
  g_object_set(bench.camera(), "location", other.url().c_str(), nullptr);
  g_signal_emit_by_name(bench.camera(), "reconnect");
  bench.wait_status("connecting", "requested");
  g_object_set(bench.camera(), "connect-timeout", 300 * GST_MSECOND, "first-frame-timeout",
               300 * GST_MSECOND, nullptr);
  const auto attempts = bench.statistic<guint64>("attempts");
  const auto enough = g_get_monotonic_time() + G_USEC_PER_SEC;
  bench.wait("three times as long as it may take", [&](const auto &it) {
    return g_get_monotonic_time() >= enough ||
           it.template statistic<guint64>("attempts") > attempts;
  });
  fail_unless_equals_uint64(bench.statistic<guint64>("attempts"), attempts);
  g_object_set(bench.camera(), "connect-timeout", 3600 * GST_SECOND, "first-frame-timeout",
               3600 * GST_SECOND, nullptr);
  block.let_go();
  bench.wait_connection(2);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

static Suite *cudacamsrc_edges_suite() {
  auto *suite = suite_create("cudacamsrc-edges");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, eos_before_there_ever_was_a_camera);
  tcase_add_test(tests, latency_can_be_told_with_and_without_a_camera);
  tcase_add_test(tests, is_a_source_and_provides_no_clock);
  tcase_add_test(tests, states_and_clocks_of_a_connection_stay_inside);
  tcase_add_test(tests, cannot_be_sought_in);
  tcase_add_test(tests, rtspsrc_is_told_what_was_set);
  tcase_add_test(tests, no_password_in_a_graph_of_the_pipeline);
  tcase_add_test(tests, statistics_begin_anew);
  tcase_add_test(tests, one_connection_that_may_hang_is_room_for_reconnects);
  tcase_add_test(tests, a_pause_ends_before_the_next_connection);
  tcase_add_test(tests, a_connection_that_hangs_outlives_the_element);
  tcase_add_test(tests, a_request_while_a_failure_is_dealt_with_hides_nothing);
  tcase_add_test(tests, a_blocked_downstream_delays_first_frames_without_blame);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_edges)
