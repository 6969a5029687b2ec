// SPDX-License-Identifier: LGPL-2.1-or-later
/// A camera that is lost and comes back, in every way it can.
#include <gst/check/gstcheck.h>
#include <algorithm>

#include "camera-bench.hpp"
#include "frame/camera-event.h"
#include "test-camera.hpp"

using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::CameraCodec;
using cudacam::test::Output;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

/// What downstream is promised over any number of outages.
void check_promises(const CameraBench &bench) {
  ck_assert_msg(
      bench.checker.bad() == 0, "%s",
      bench.checker.explanations().empty() ? "" : bench.checker.explanations()[0].c_str());
  ck_assert_uint_gt(bench.checker.good(), 0);
  ck_assert_uint_eq(bench.eos, 0);
  ck_assert_uint_eq(bench.flushes, 0);
  ck_assert_uint_eq(bench.segments, 1);
  ck_assert_uint_eq(bench.stream_starts, 1);
  ck_assert_uint_eq(bench.errors.size(), 0);

  // streaming=true, frames, streaming=false, GAP, streaming=true, a frame with DISCONT ...
  bool streaming = false, gap = true, first = false;
  guint64 connection = 0;
  GstClockTime last = GST_CLOCK_TIME_NONE;
  for (const auto &output : bench.outputs) {
    if (output.kind == Output::frame) {
      ck_assert(streaming);
      if (first && connection > 1) ck_assert(output.discont);
      if (last != GST_CLOCK_TIME_NONE) ck_assert_uint_gt(output.time, last);
      last = output.time;
      first = false;
    } else if (output.name == GST_CUDA_CAM_EVENT_CAMERA) {
      ck_assert(output.streaming != streaming);
      if (output.streaming) {
        ck_assert(gap);
        connection++;
        first = true;
      }
      ck_assert_uint_eq(output.connection, connection);
      streaming = output.streaming;
      gap = false;
    } else if (output.type == GST_EVENT_GAP) {
      ck_assert(!streaming);
      gap = true;
    }
  }
}

/// Loses and regains the camera; no frame that it took before comes after its return.
void check_nothing_old_after_the_return(TestCamera &camera, CameraBench &bench, int times) {
  bench.wait_connection(1);
  for (guint64 i = 1; i <= guint64(times); i++) {
    bench.wait_frames(5);
    camera.close_connections();
    const auto newest = camera.highest_number_at_close();
    fail_unless(newest.has_value());
    bench.wait_connection(i + 1);
    bench.wait("frames after the return", [&](const auto &it) {
      for (auto output = it.outputs.rbegin(); output != it.outputs.rend(); ++output) {
        if (output->kind == Output::event && output->name == GST_CUDA_CAM_EVENT_CAMERA) break;
        if (output->number) fail_unless(*output->number > *newest);
      }
      return true;
    });
  }
}

/// Those of these decoders that are installed: without FFmpeg's plugin or a GPU not all of them
/// are.
std::vector<const char *> installed(std::initializer_list<const char *> decoders) {
  std::vector<const char *> there;
  for (const char *name : decoders) {
    if (cudacam::adopt(gst_element_factory_find(name))) {
      there.push_back(name);
    } else {
      g_print("skipped: %s is not installed\n", name);
    }
  }
  fail_unless(!there.empty(), "no decoder is installed");
  return there;
}

}  // namespace

GST_START_TEST(connects_and_delivers_frames) {
  TestCamera camera;
  CameraBench bench(at(camera));
  fail_unless_equals_int(bench.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
  bench.play();
  bench.wait_frames(20);
  fail_unless_equals_int(bench.statistic<guint64>("connections"), 1);
  fail_unless(bench.statistic<std::string>("status") == "streaming");
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.statuses.size() == 4);
  fail_unless_equals_string(bench.statuses[0].c_str(), "connecting none");
  fail_unless_equals_string(bench.statuses[1].c_str(), "waiting-first-frame none");
  fail_unless_equals_string(bench.statuses[2].c_str(), "streaming none");
  fail_unless_equals_string(bench.statuses[3].c_str(), "stopped none");
  fail_unless(bench.warnings.empty());
  check_promises(bench);
}
GST_END_TEST

GST_START_TEST(plays_without_the_camera_and_connects_when_it_comes) {
  TestCamera camera;
  camera.stop();
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_warning("connection-refused");
  bench.wait_status("connecting", "connection-refused");
  bench.wait_status("connecting", "connection-refused");
  GstState state = GST_STATE_NULL;
  gst_element_get_state(bench.camera(), &state, nullptr, 0);
  fail_unless_equals_int(state, GST_STATE_PLAYING);
  camera.start();
  bench.wait_frames(5);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(bench.warnings.size(), 1);  // once, not per retry
  fail_unless_equals_uint64(bench.losses + bench.gaps, 0);
  check_promises(bench);
}
GST_END_TEST

GST_START_TEST(falls_back_to_a_transport_that_the_camera_takes_and_keeps_it) {
  TestCameraOptions options;
  options.tcp = false;
  TestCamera camera(options);
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_status("connecting", "transport-refused");
  bench.wait_connection(1);
  fail_unless(bench.warnings.empty());
  const auto refusals = [&] {
    return std::count(bench.statuses.begin(), bench.statuses.end(), "connecting transport-refused");
  };
  fail_unless_equals_int(refusals(), 1);
  // Not by the camera: over UDP nothing but a silence would tell.
  g_signal_emit_by_name(bench.camera(), "reconnect");
  bench.wait_connection(2);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(refusals(), 1);
}
GST_END_TEST

GST_START_TEST(says_when_no_allowed_transport_is_left) {
  TestCameraOptions options;
  options.udp = false;
  TestCamera camera(options);
  CameraBench bench(at(camera) + "protocols=udp");
  bench.play();
  bench.wait_warning("refused");
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

GST_START_TEST(comes_back_after_every_kind_of_loss) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);

  const struct {
    const char *name, *reason;
    std::function<void()> lose, heal;
  } losses[] = {
      {"FIN", "end-of-stream", [&] { camera.close_connections(); }, [] {}},
      {"RST", "connection-lost", [&] { camera.reset_connections(); }, [] {}},
      {"BYE", "end-of-stream", [&] { camera.send_eos(); }, [] {}},
      {"port closed", "end-of-stream", [&] { camera.stop(); }, [&] { camera.start(); }},
      {"signal", "requested", [&] { g_signal_emit_by_name(bench.camera(), "reconnect"); }, [] {}},
      {"event", "requested",
       [&] {
         const auto sink = cudacam::adopt(gst_bin_get_by_name(GST_BIN(bench.pipeline()), "sink"));
         const auto pad = cudacam::adopt(gst_element_get_static_pad(sink.get(), "sink"));
         fail_unless(gst_pad_push_event(pad.get(), gst_cuda_cam_event_new_reconnect("test")));
       },
       [] {}},
  };
  guint64 connection = 1;
  for (const auto &loss : losses) {
    loss.lose();
    bench.wait_status("closing", loss.reason);
    bench.wait(loss.name, [&](const auto &it) { return it.losses == connection; });
    loss.heal();
    bench.wait_connection(++connection);
    fail_unless_equals_uint64(bench.statistic<guint64>("outages"), connection - 1);
  }
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 1);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.losses, std::size(losses));
  fail_unless_equals_uint64(bench.gaps, std::size(losses));
  check_promises(bench);
}
GST_END_TEST

/// On a slow machine the timer may see more than one silence.
GST_START_TEST(notices_a_camera_that_falls_silent) {
  for (const char *transport : {"tcp", "udp"}) {
    TestCamera camera;
    CameraBench bench(at(camera) + "stall-timeout=2000000000 protocols=" + transport);
    bench.play();
    bench.wait_connection(1);
    camera.freeze();
    bench.wait_status("closing", "stalled");
    bench.wait_warning("stalled");
    camera.unfreeze();
    bench.wait("frames after the return", [](const auto &it) {
      return it.losses >= 1 && it.connections > it.losses &&
             it.outputs.back().kind == Output::frame;
    });
    bench.set_state(GST_STATE_NULL);
    check_promises(bench);
  }
}
GST_END_TEST

GST_START_TEST(survives_twenty_reconnects_with_one_decoder_and_nothing_growing) {
  TestCameraOptions options;
  options.gop = 10;
  TestCamera camera(options);
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  const auto decoder = bench.decoder();
  fail_unless(decoder != nullptr);

  unsigned threads = 0, files = 0;
  for (guint64 i = 1; i <= 20; i++) {
    i % 2 ? camera.close_connections() : camera.reset_connections();
    bench.wait_connection(i + 1);
    bench.wait_frames(2);
    // The camera is in this process: it has to have let go of the old connection, and we of ours.
    bench.wait("one client", [&](const auto &) { return camera.clients() == 1; });
    if (i >= 3 && i <= 10) {
      threads = std::max(threads, cudacam::test::count_entries("/proc/self/task"));
      files = std::max(files, cudacam::test::count_entries("/proc/self/fd"));
    }
  }
  bench.wait("threads gone", [&](const auto &) {
    return cudacam::test::count_entries("/proc/self/task") <= threads;
  });
  bench.wait("files gone",
             [&](const auto &) { return cudacam::test::count_entries("/proc/self/fd") <= files; });
  fail_unless(decoder.get() == bench.decoder().get());
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 1);
  fail_unless_equals_uint64(bench.statistic<guint64>("connections"), 21);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.losses, 20);
  check_promises(bench);
}
GST_END_TEST

// libde265dec 1.22 loses the frame that a drain completes, which is not ours to free.
#if defined(__SANITIZE_ADDRESS__)
#define H265_DECODERS "avdec_h265", "nvh265dec"
#else
#define H265_DECODERS "avdec_h265", "libde265dec", "nvh265dec"
#endif

GST_START_TEST(decodes_h265_and_drains_it) {
  TestCameraOptions options;
  options.codec = CameraCodec::kH265;
  options.width = 320;
  options.height = 192;
  options.gop = 10;
  TestCamera camera(options);
  for (const char *decoder : installed({H265_DECODERS})) {
    CameraBench bench(at(camera) + "decoder=" + decoder);
    bench.play();
    check_nothing_old_after_the_return(camera, bench, 3);
    fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 1);
    bench.set_state(GST_STATE_NULL);
    check_promises(bench);
  }
}
GST_END_TEST

GST_START_TEST(keeps_every_h264_decoder) {
  TestCameraOptions options;
  options.gop = 10;
  TestCamera camera(options);
  for (const char *decoder : installed({"avdec_h264", "openh264dec", "nvh264dec", "nvh264sldec"})) {
    CameraBench bench(at(camera) + "decoder=" + decoder);
    bench.play();
    check_nothing_old_after_the_return(camera, bench, 3);
    fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 1);
    bench.set_state(GST_STATE_NULL);
    check_promises(bench);
  }
}
GST_END_TEST

GST_START_TEST(decodes_jpeg) {
  TestCameraOptions options;
  options.codec = CameraCodec::kJpeg;
  options.width = 320;
  options.height = 192;
  TestCamera camera(options);
  for (const char *decoder : installed({"jpegdec", "avdec_mjpeg", "nvjpegdec"})) {
    CameraBench bench(at(camera) + "decoder=" + decoder);
    bench.play();
    check_nothing_old_after_the_return(camera, bench, 3);
    fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 1);
    fail_unless_equals_uint64(bench.statistic<guint64>("skipped"), 0);  // each is a key frame
    bench.set_state(GST_STATE_NULL);
    check_promises(bench);
  }
}
GST_END_TEST

GST_START_TEST(drains_reordered_frames_at_a_loss) {
  TestCameraOptions options;
  options.b_frames = 2;
  options.gop = 12;
  TestCamera camera(options);
  CameraBench bench(at(camera));
  bench.play();
  check_nothing_old_after_the_return(camera, bench, 4);
  bench.set_state(GST_STATE_NULL);
  check_promises(bench);
}
GST_END_TEST

GST_START_TEST(follows_a_new_resolution_with_the_same_decoder) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  camera.set_resolution(320, 192);
  bench.wait("the new width", [](const auto &it) { return it.outputs.back().width == 320; });
  camera.close_connections();
  bench.wait_connection(2);
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 1);
  bench.set_state(GST_STATE_NULL);
  check_promises(bench);
}
GST_END_TEST

GST_START_TEST(new_location_holds_from_the_next_connection) {
  TestCamera one, two;
  CameraBench bench(at(one));
  bench.play();
  bench.wait_connection(1);
  g_object_set(bench.camera(), "location", two.url().c_str(), nullptr);
  bench.wait_frames(3);
  fail_unless_equals_int(two.clients(), 0);
  g_signal_emit_by_name(bench.camera(), "reconnect");
  bench.wait_connection(2);
  fail_unless_equals_int(two.clients(), 1);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// The camera's own clock, by its RTCP sender reports.
GST_START_TEST(capture_time_travels_through_the_decoder) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait("a frame with the camera's time", [](const auto &it) {
    return !it.outputs.empty() && it.outputs.back().reference_time;
  });
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

static Suite *cudacamsrc_suite() {
  auto *suite = suite_create("cudacamsrc");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, connects_and_delivers_frames);
  tcase_add_test(tests, plays_without_the_camera_and_connects_when_it_comes);
  tcase_add_test(tests, falls_back_to_a_transport_that_the_camera_takes_and_keeps_it);
  tcase_add_test(tests, says_when_no_allowed_transport_is_left);
  tcase_add_test(tests, comes_back_after_every_kind_of_loss);
  tcase_add_test(tests, notices_a_camera_that_falls_silent);
  tcase_add_test(tests, survives_twenty_reconnects_with_one_decoder_and_nothing_growing);
  tcase_add_test(tests, decodes_h265_and_drains_it);
  tcase_add_test(tests, keeps_every_h264_decoder);
  tcase_add_test(tests, decodes_jpeg);
  tcase_add_test(tests, drains_reordered_frames_at_a_loss);
  tcase_add_test(tests, follows_a_new_resolution_with_the_same_decoder);
  tcase_add_test(tests, new_location_holds_from_the_next_connection);
  tcase_add_test(tests, capture_time_travels_through_the_decoder);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc)
