// SPDX-License-Identifier: LGPL-2.1-or-later
/// State changes of cudacamsrc at every point of a camera's life.
#include <algorithm>
#include <random>
#include <thread>

#include "camera-bench.hpp"
#include "pad-block.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

using cudacam::adopt;
using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::count_entries;
using cudacam::test::DebugLog;
using cudacam::test::PadBlock;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

/// What the supervisor's log says of a timer that runs out while downstream blocks.
constexpr const char *kExcuse = "downstream blocks";

}  // namespace

GST_START_TEST(plays_again_after_null) {
  TestCamera camera;
  CameraBench bench(at(camera));
  for (int i = 0; i < 5; i++) {
    bench.play();
    bench.wait_frames(3);
    bench.set_state(GST_STATE_NULL);
    bench.wait("no clients", [&](const auto &) { return camera.clients() == 0; });
  }
}
GST_END_TEST

GST_START_TEST(stops_in_paused_and_goes_on_in_playing) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_frames(3);
  for (int i = 0; i < 3; i++) {
    fail_unless_equals_int(bench.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
    bench.wait_status("stopped");
    bench.play();
    bench.wait_status("streaming");
    bench.wait_frames(3);
  }
  bench.wait("one client", [&](const auto &) { return camera.clients() == 1; });
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.losses + bench.gaps, 0);  // a stop is none
  fail_unless_equals_uint64(bench.segments, 1);
  fail_unless_equals_uint64(bench.eos + bench.flushes, 0);
  fail_unless_equals_uint64(bench.checker.bad(), 0);
}
GST_END_TEST

/// NULL from wherever the connection is, again and again.
GST_START_TEST(state_churn) {
  TestCameraOptions options;
  options.gop = 5;
  TestCamera camera(options);
  CameraBench bench(at(camera) +
                    "stall-timeout=200000000 connect-timeout=400000000 "
                    "first-frame-timeout=400000000 decode-timeout=400000000");
  std::mt19937 random(5);
  constexpr GstState states[] = {GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED,
                                 GST_STATE_PLAYING, GST_STATE_PLAYING};
  for (int i = 0; i < 60; i++) {
    const auto state = states[random() % std::size(states)];
    bench.set_state(state);
    switch (random() % 6) {
      case 0:
        camera.close_connections();
        break;
      case 1:
        camera.reset_connections();
        break;
      case 2:
        g_signal_emit_by_name(bench.camera(), "reconnect");
        break;
      case 3:
        if (state == GST_STATE_PLAYING) bench.wait_frames(1);
        break;
      default:
        break;
    }
  }
  // The short timers may never be met on a slow machine.
  g_object_set(bench.camera(), "stall-timeout", guint64(0), "decode-timeout", guint64(0),
               "connect-timeout", 50 * GST_SECOND, "first-frame-timeout", 50 * GST_SECOND, nullptr);
  bench.play();
  bench.wait_frames(3);
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty(), "%s", bench.errors.empty() ? "" : bench.errors[0].c_str());
}
GST_END_TEST

GST_START_TEST(null_is_bounded_while_downstream_blocks) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_frames(1);
  PadBlock block(bench.camera(), "src");
  bench.wait("the block", [&](const auto &) { return block.reached(); });
  bench.set_state(GST_STATE_NULL);  // the test's own timeout is the bound
}
GST_END_TEST

/// The bin alone, behind it a full queue in a paused pipeline: nobody else unblocks it.
GST_START_TEST(null_of_the_bin_alone_is_bounded_while_downstream_blocks) {
  TestCamera camera;
  const auto source = cudacam::sink(gst_element_factory_make("cudacamsrc", nullptr));
  const auto target = cudacam::sink(gst_element_factory_make("fakesink", nullptr));
  g_object_set(source.get(), "location", camera.url().c_str(), nullptr);
  const auto from = adopt(gst_element_get_static_pad(source.get(), "src"));
  const auto to = adopt(gst_element_get_static_pad(target.get(), "sink"));
  fail_unless_equals_int(gst_pad_link(from.get(), to.get()), GST_PAD_LINK_OK);
  const auto clock = adopt(gst_system_clock_obtain());
  for (int i = 0; i < 2; i++) {
    gst_element_set_state(target.get(), GST_STATE_PAUSED);  // holds the first frame for ever
    gst_element_set_clock(source.get(), clock.get());
    gst_element_set_base_time(source.get(), gst_clock_get_time(clock.get()));
    gst_element_set_state(source.get(), GST_STATE_PLAYING);
    // Async done: the first frame is in the sink.
    fail_unless_equals_int(gst_element_get_state(target.get(), nullptr, nullptr, 30 * GST_SECOND),
                           GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state(source.get(), GST_STATE_NULL);
  }
  gst_element_set_state(target.get(), GST_STATE_NULL);
}
GST_END_TEST

/// A blocked downstream is not the camera's fault, whichever timer runs out.
GST_START_TEST(a_blocked_downstream_is_no_stall) {
  for (const char *timer : {"stall-timeout", "decode-timeout"}) {
    DebugLog log;
    TestCamera camera;
    CameraBench bench(at(camera) + timer + "=1000000000");
    bench.play();
    bench.wait_frames(1);
    PadBlock block(bench.camera(), "src");
    bench.wait("the block", [&](const auto &) { return block.reached(); });
    // On a slow machine there may have been silences before.
    const auto outages = bench.statistic<guint64>("outages");
    const auto excused = [&log] {
      const auto text = log.text();
      unsigned count = 0;
      for (auto at = text.find(kExcuse); at != text.npos; at = text.find(kExcuse, at + 1)) count++;
      return count;
    };
    const auto before = excused();
    // Twice: the first time has then come to nothing.
    bench.wait("a timer that runs out", [&](const auto &it) {
      return excused() >= before + 2 || it.template statistic<guint64>("outages") > outages;
    });
    fail_unless_equals_uint64(bench.statistic<guint64>("outages"), outages);
    fail_unless(bench.statistic<std::string>("status") == "streaming");
    block.let_go();
    bench.wait_frames(3);
    bench.set_state(GST_STATE_NULL);
  }
}
GST_END_TEST

GST_START_TEST(null_while_the_camera_is_silent_or_gone) {
  TestCamera camera;
  CameraBench bench(at(camera));
  camera.freeze();
  bench.play();
  bench.wait_status("connecting");
  bench.set_state(GST_STATE_NULL);
  camera.unfreeze();
  bench.play();
  bench.wait_frames(1);
  camera.freeze();
  bench.set_state(GST_STATE_NULL);
  camera.stop();
  bench.play();
  bench.wait_status("backoff");
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

GST_START_TEST(storms_of_requests_merge) {
  TestCameraOptions options;
  options.gop = 5;
  TestCamera camera(options);
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  unsigned tasks = 0, files = 0;
  for (int storm = 1; storm <= 12; storm++) {
    const auto before = bench.statistic<guint64>("connections");
    std::vector<std::thread> threads;
    for (int t = 0; t < 5; t++) {
      threads.emplace_back([&bench] {
        for (int i = 0; i < 200; i++) g_signal_emit_by_name(bench.camera(), "reconnect");
      });
    }
    for (auto &thread : threads) thread.join();
    bench.wait_connection(before + 1);
    bench.wait_status("streaming");
    bench.wait_frames(3);
    // The camera is in this process: what it keeps of old clients is not ours.
    bench.wait("one client", [&](const auto &) { return camera.clients() == 1; });
    if (storm > 6) continue;
    tasks = std::max(tasks, count_entries("/proc/self/task"));
    files = std::max(files, count_entries("/proc/self/fd"));
  }
  bench.wait("threads gone",
             [&](const auto &) { return count_entries("/proc/self/task") <= tasks; });
  bench.wait("files gone", [&](const auto &) { return count_entries("/proc/self/fd") <= files; });
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 1);
  // A thousand requests make a few reconnects.
  fail_unless(bench.statistic<guint64>("attempts") < 12 * 200);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.checker.bad(), 0);
  fail_unless_equals_uint64(bench.segments, 1);
}
GST_END_TEST

GST_START_TEST(eos_from_the_application_drains_and_ends) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_frames(3);
  fail_unless(gst_element_send_event(bench.pipeline(), gst_event_new_eos()));
  bench.wait("EOS", [](const auto &it) { return it.eos == 1; });
  bench.wait_status("stopped");
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.checker.bad(), 0);
}
GST_END_TEST

GST_START_TEST(latency_is_answered_with_and_without_a_camera) {
  TestCamera camera;
  camera.stop();
  CameraBench bench(at(camera) + "latency=123");
  const auto pad = adopt(gst_element_get_static_pad(bench.camera(), "src"));
  const auto ask = [&] {
    const cudacam::QueryPtr query(gst_query_new_latency());
    gboolean live = FALSE;
    GstClockTime least = 0;
    fail_unless(gst_pad_query(pad.get(), query.get()));
    gst_query_parse_latency(query.get(), &live, &least, nullptr);
    fail_unless(live);
    return least;
  };
  bench.play();
  bench.wait_status("backoff");
  fail_unless_equals_uint64(ask(), 123 * GST_MSECOND);
  camera.start();
  bench.wait_frames(1);
  fail_unless(ask() >= 123 * GST_MSECOND && ask() < 500 * GST_MSECOND);
  camera.stop();
  bench.wait_status("backoff");
  fail_unless(ask() >= 123 * GST_MSECOND && ask() < 500 * GST_MSECOND);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// Nothing of an element is left, after life and trouble.
GST_START_TEST(leaves_nothing_behind) {
  TestCamera camera;
  std::vector<GWeakRef> gone(3);
  {
    CameraBench bench(at(camera));
    bench.play();
    bench.wait_connection(1);
    camera.reset_connections();
    bench.wait_connection(2);
    const auto connection = adopt(gst_bin_get_by_name(GST_BIN(bench.camera()), "connection-2"));
    fail_unless(connection != nullptr);
    g_weak_ref_init(&gone[0], bench.camera());
    g_weak_ref_init(&gone[1], bench.decoder().get());
    g_weak_ref_init(&gone[2], connection.get());
  }
  for (auto &weak : gone) {
    auto *object = static_cast<GObject *>(g_weak_ref_get(&weak));
    fail_unless(object == nullptr);
    g_weak_ref_clear(&weak);
  }
}
GST_END_TEST

static Suite *cudacamsrc_states_suite() {
  auto *suite = suite_create("cudacamsrc-states");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, plays_again_after_null);
  tcase_add_test(tests, stops_in_paused_and_goes_on_in_playing);
  tcase_add_test(tests, state_churn);
  tcase_add_test(tests, null_is_bounded_while_downstream_blocks);
  tcase_add_test(tests, null_of_the_bin_alone_is_bounded_while_downstream_blocks);
  tcase_add_test(tests, a_blocked_downstream_is_no_stall);
  tcase_add_test(tests, null_while_the_camera_is_silent_or_gone);
  tcase_add_test(tests, storms_of_requests_merge);
  tcase_add_test(tests, eos_from_the_application_drains_and_ends);
  tcase_add_test(tests, latency_is_answered_with_and_without_a_camera);
  tcase_add_test(tests, leaves_nothing_behind);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_states)
