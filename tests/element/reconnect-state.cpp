// SPDX-License-Identifier: LGPL-2.1-or-later
/// reconnect-mode=state: cameras that are no cudacamsrc come back as well.
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "base/ptr.hpp"
#include "gstcudacam.h"
#include "lease/source-restarter.hpp"
#include "mjpeg-server.hpp"
#include "pad-block.hpp"
#include "restart-bench.hpp"
#include "support/statistics.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::ObjectPtr;
using cudacam::SourceRestarter;
using cudacam::test::MjpegServer;
using cudacam::test::number;
using cudacam::test::PadBlock;
using cudacam::test::RestartBench;
using cudacam::test::TestCamera;
using cudacam::test::VideoFile;

namespace {

/// Reads a file three times.
void check_loop(RestartBench &bench) {
  const auto begin = std::chrono::steady_clock::now();
  bench.play();
  for (unsigned round = 1; round <= 3; ++round) {
    bench.wait_eos(round);
    if (round < 3) fail_unless(bench.reconnect());
  }
  // Two restarts do not begin in less.
  fail_unless(std::chrono::steady_clock::now() - begin >= SourceRestarter::kPause);
  fail_unless_equals_uint64(bench.count(&RestartBench::playing_left), 0);
  bench.stop();
  fail_unless_equals_uint64(bench.frames, 45);
  fail_unless_equals_uint64(bench.errors, 0);
  fail_unless(!bench.went_back);
  // 44 frames at 30 Hz before the last one.
  fail_unless(bench.running_time >= 44 * GST_SECOND / 30 - 44 * GST_MSECOND);
}

bool has(const char *element) {
  return cudacam::adopt(gst_element_factory_find(element)) != nullptr;
}

/// The first restart of a bench's source, which stops where it has flushed and not yet stopped the
/// source.
class HeldRestart {
 public:
  explicit HeldRestart(RestartBench &bench) {
    g_signal_connect(bench.sink(), "camera-lost",
                     G_CALLBACK(+[](GstElement *, const char *, const char *, HeldRestart *self) {
                       if (self->reached_.exchange(true)) return;
                       self->held_.set_value();
                       self->go_.get_future().wait();
                     }),
                     this);
  }
  void await() { held_.get_future().wait(); }
  void let_go() { go_.set_value(); }

 private:
  std::atomic<bool> reached_{false};
  std::promise<void> held_, go_;
};

}  // namespace

GST_START_TEST(what_is_asked_before_the_source_has_stopped_is_one_restart) {
  RestartBench bench(
      "videotestsrc name=source is-live=true ! video/x-raw,width=16,height=16,framerate=100/1 ! "
      "cudacampool");
  HeldRestart held(bench);
  bench.play();
  bench.wait_connection(1);
  fail_unless(bench.reconnect());
  held.await();
  for (int i = 0; i < 3; ++i) fail_unless(bench.reconnect());
  // Frames that flow would make a further restart needless.
  g_object_set(bench.get("source").get(), "num-buffers", 5, nullptr);
  held.let_go();
  bench.wait_eos(1);
  // Time for a further restart to come to its turn.
  std::this_thread::sleep_for(SourceRestarter::kPause + std::chrono::milliseconds(200));
  bench.stop();
  fail_unless_equals_uint64(bench.connections, 2);
}
GST_END_TEST

GST_START_TEST(a_file_is_read_again_through_decodebin) {
  const VideoFile file;
  RestartBench bench("filesrc name=file location=" + file.path() + " ! decodebin ! cudacampool");
  check_loop(bench);
  const std::vector<std::string> expected{"back file 1", "lost file: end of stream",
                                          "back file 2", "lost file: end of stream",
                                          "back file 3", "lost file: end of stream"};
  fail_unless(bench.events == expected);
}
GST_END_TEST

GST_START_TEST(a_file_is_read_again_by_uridecodebin) {
  const VideoFile file;
  RestartBench bench("uridecodebin uri=file://" + file.path() +
                     " ! queue ! cudacampool slots=32 ! queue");
  check_loop(bench);
}
GST_END_TEST

GST_START_TEST(a_file_is_read_again_without_a_pool_and_with_a_fixed_demuxer) {
  const VideoFile file;
  RestartBench bench("filesrc location=" + file.path() + " ! matroskademux ! jpegdec");
  check_loop(bench);
}
GST_END_TEST

GST_START_TEST(a_synchronising_sink_plays_each_round_at_its_pace) {
  const VideoFile file;
  RestartBench bench("filesrc location=" + file.path() + " ! decodebin ! cudacampool");
  g_object_set(bench.sink(), "sync", TRUE, nullptr);
  bench.play();
  bench.wait_eos(1);
  fail_unless(bench.reconnect());
  bench.wait_eos(2);
  const auto clock_time = gst_element_get_current_running_time(bench.sink());
  bench.stop();
  fail_unless(!bench.went_back);
  fail_unless(clock_time >= bench.running_time);  // no frame was shown before its time
  fail_unless(bench.running_time >= 29 * GST_SECOND / 30 - 29 * GST_MSECOND);
}
GST_END_TEST

GST_START_TEST(an_rtsp_camera_comes_back_through_rtspsrc_and_decodebin) {
  TestCamera camera;
  RestartBench bench("rtspsrc name=camera protocols=tcp latency=0 location=" + camera.url() +
                     " ! decodebin ! cudacampool");
  bench.reconnect_on_errors();
  bench.play();
  bench.wait_connection(1);
  fail_unless(bench.reconnect());  // while it delivers
  bench.wait_connection(2);
  camera.close_connections();
  bench.wait_eos(1);
  fail_unless(bench.reconnect());
  bench.wait_connection(3);
  camera.reset_connections();  // an error
  bench.wait_connection(4);
  bench.stop();
  fail_unless(!bench.went_back);
}
GST_END_TEST

GST_START_TEST(an_rtsp_camera_comes_back_through_uridecodebin_after_an_absence) {
  TestCamera camera;
  camera.stop();
  RestartBench bench("uridecodebin uri=" + camera.url() + " ! cudacampool");
  bench.reconnect_on_errors();
  bench.play();
  bench.wait("errors", [](const auto &it) { return it.errors >= 3; });
  fail_unless(!bench.count(&RestartBench::playing_left));
  camera.start();
  bench.wait_connection(1);
  const auto before = bench.count(&RestartBench::errors);
  camera.stop();
  bench.wait("end or error", [=](const auto &it) { return it.eos + it.errors > before; });
  const auto errors = bench.count(&RestartBench::errors);
  fail_unless(bench.reconnect());
  bench.wait("errors", [=](const auto &it) { return it.errors >= errors + 2; });
  camera.start();
  bench.wait_connection(2);
  bench.stop();
  fail_unless(!bench.went_back);
}
GST_END_TEST

GST_START_TEST(an_http_camera_comes_back) {
  if (!has("souphttpsrc")) {
    g_printerr("skipped: no souphttpsrc\n");
    return;
  }
  MjpegServer camera;
  RestartBench bench("souphttpsrc is-live=true do-timestamp=true location=" + camera.url() +
                     " ! multipartdemux ! jpegdec ! cudacampool");
  bench.reconnect_on_errors();
  bench.play();
  bench.wait_connection(1);
  camera.refuse(true);
  camera.close_connections();
  bench.wait("end or error", [](const auto &it) { return it.eos + it.errors > 0; });
  const auto errors = bench.count(&RestartBench::errors);
  bench.reconnect();
  bench.wait("refusal", [=](const auto &it) { return it.errors > errors; });
  camera.refuse(false);
  bench.wait_connection(2);
  bench.stop();
  fail_unless(!bench.went_back);
}
GST_END_TEST

GST_START_TEST(a_blocked_branch_does_not_block_the_restart) {
  RestartBench bench(
      "videotestsrc name=source is-live=true ! video/x-raw,width=16,height=16 ! tee name=t "
      "t. ! queue max-size-buffers=1 ! fakesink name=blocked async=false t. ! cudacampool");
  const auto blocked = bench.get("blocked");
  PadBlock block(blocked.get(), "sink");
  bench.play();
  bench.wait("the branch", [&](const auto &) { return block.reached(); });
  fail_unless(bench.reconnect());
  bench.wait("restart", [](const auto &it) { return it.connections >= 2; });
  block.let_go();
  bench.wait_connection(2);
}
GST_END_TEST

GST_START_TEST(links_are_left_to_an_application_that_makes_them) {
  const VideoFile file;
  RestartBench bench("cudacampool name=pool");
  auto *source = gst_element_factory_make("uridecodebin", nullptr);
  g_object_set(source, "uri", ("file://" + file.path()).c_str(), nullptr);
  gst_bin_add(GST_BIN(bench.pipeline()), source);
  std::atomic<int> linked{0};
  struct Application {
    ObjectPtr<GstPad> pool;
    std::atomic<int> &linked;
  } application{cudacam::adopt(gst_element_get_static_pad(bench.get("pool").get(), "sink")),
                linked};
  g_signal_connect(source, "pad-added",
                   G_CALLBACK(+[](GstElement *, GstPad *pad, Application *self) {
                     if (gst_pad_link(pad, self->pool.get()) == GST_PAD_LINK_OK) ++self->linked;
                   }),
                   &application);
  check_loop(bench);
  fail_unless_equals_int(linked, 3);
}
GST_END_TEST

GST_START_TEST(leases_outlast_a_restart) {
  const VideoFile file;
  RestartBench bench("filesrc location=" + file.path() + " ! decodebin ! cudacampool slots=4");
  g_object_set(bench.sink(), "drain-timeout", guint64{1}, nullptr);
  bench.play();
  bench.wait("frames", [](const auto &it) { return it.frames >= 3; });
  auto *lease = gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(bench.sink()), "keeper",
                                            10 * GST_SECOND, nullptr);
  fail_unless(lease != nullptr);
  auto *before = gst_buffer_copy_deep(gst_cuda_cam_lease_get_buffer(lease));
  bench.wait_eos(1);
  fail_unless(bench.reconnect());
  bench.wait_eos(2);
  GstMapInfo map;
  fail_unless(gst_buffer_map(before, &map, GST_MAP_READ));
  fail_unless(!gst_buffer_memcmp(gst_cuda_cam_lease_get_buffer(lease), 0, map.data, map.size));
  gst_buffer_unmap(before, &map);
  gst_buffer_unref(before);
  bench.stop();
  gst_cuda_cam_lease_unref(lease);
}
GST_END_TEST

GST_START_TEST(the_pipeline_stops_while_a_restart_is_under_way) {
  const VideoFile file;
  for (int round = 0; round < 5; ++round) {
    RestartBench bench("filesrc name=file location=" + file.path() +
                       " ! decodebin name=decoder ! cudacampool");
    bench.play();
    bench.wait("frames", [](const auto &it) { return it.frames >= 1; });
    bench.reconnect();
    bench.stop();
    for (const char *name : {"file", "decoder"}) {
      const auto element = bench.get(name);
      GstState state = GST_STATE_PLAYING;
      gst_element_get_state(element.get(), &state, nullptr, GST_CLOCK_TIME_NONE);
      fail_unless_equals_int(state, GST_STATE_NULL);
      fail_unless(!gst_element_is_locked_state(element.get()));
    }
  }
}
GST_END_TEST

GST_START_TEST(with_off_nothing_happens_upstream) {
  const VideoFile file;
  RestartBench bench("filesrc location=" + file.path() + " ! decodebin ! cudacampool", "off");
  bench.play();
  bench.wait_eos(1);
  fail_unless(!bench.reconnect());
  bench.stop();
  fail_unless_equals_uint64(bench.frames, 15);
  fail_unless(bench.events.empty());
}
GST_END_TEST

GST_START_TEST(says_so_when_there_is_no_telling_the_source) {
  RestartBench bench(
      "videotestsrc videotestsrc is-live=true name=other ! fakesink  cudacampool name=pool");
  bench.play();
  fail_unless(bench.reconnect());  // the one that is linked to nothing
  bench.stop();
  RestartBench several("fakesrc name=one  fakesrc name=two  cudacampool name=pool");
  gst_element_set_state(several.sink(), GST_STATE_PLAYING);
  fail_unless(!several.reconnect());
}
GST_END_TEST

static Suite *reconnect_state_suite() {
  auto *suite = suite_create("reconnect-state");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, what_is_asked_before_the_source_has_stopped_is_one_restart);
  tcase_add_test(tests, a_file_is_read_again_through_decodebin);
  tcase_add_test(tests, a_file_is_read_again_by_uridecodebin);
  tcase_add_test(tests, a_file_is_read_again_without_a_pool_and_with_a_fixed_demuxer);
  tcase_add_test(tests, a_synchronising_sink_plays_each_round_at_its_pace);
  tcase_add_test(tests, an_rtsp_camera_comes_back_through_rtspsrc_and_decodebin);
  tcase_add_test(tests, an_rtsp_camera_comes_back_through_uridecodebin_after_an_absence);
  tcase_add_test(tests, an_http_camera_comes_back);
  tcase_add_test(tests, a_blocked_branch_does_not_block_the_restart);
  tcase_add_test(tests, links_are_left_to_an_application_that_makes_them);
  tcase_add_test(tests, leases_outlast_a_restart);
  tcase_add_test(tests, the_pipeline_stops_while_a_restart_is_under_way);
  tcase_add_test(tests, with_off_nothing_happens_upstream);
  tcase_add_test(tests, says_so_when_there_is_no_telling_the_source);
  return suite;
}

GST_CHECK_MAIN(reconnect_state)
