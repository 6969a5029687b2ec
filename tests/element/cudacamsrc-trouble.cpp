// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a user gets to see when a camera cannot be had, and what nobody may see.
#include <atomic>

#include "camera-bench.hpp"
#include "pad-block.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::adopt;
using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::CameraCodec;
using cudacam::test::DebugLog;
using cudacam::test::PadBlock;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

std::string with_userinfo(const std::string &url, const std::string &userinfo) {
  return "rtsp://" + userinfo + "@" + url.substr(7);
}

/// One warning, of this reason, whose text helps; retries go on; no error.
void check_warned_once(CameraBench &bench, const std::string &reason, const std::string &hint) {
  bench.wait_warning(reason);
  bench.wait_status("connecting", reason);
  bench.wait_status("connecting", reason);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(bench.warnings.size(), 1);
  fail_unless(bench.warning_texts[0].find(hint) != std::string::npos, "%s",
              bench.warning_texts[0].c_str());
  fail_unless(bench.errors.empty());
  fail_unless_equals_uint64(bench.frames, 0);
}

/// State change fails, with exactly one error, which helps.
void check_refused(const std::string &options, const std::string &hint) {
  CameraBench bench(options);
  fail_unless_equals_int(bench.set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  fail_unless_equals_int(bench.errors.size(), 1);
  fail_unless(bench.errors[0].find(hint) != std::string::npos, "%s", bench.errors[0].c_str());
  fail_unless(bench.everything.find("geheim") == std::string::npos);
}

}  // namespace

GST_START_TEST(missing_location_is_one_error) {
  check_refused("", "set property location");
}
GST_END_TEST

GST_START_TEST(malformed_location_is_one_error) {
  check_refused("location=http://u:geheim@cam/", "must start with rtsp://");
  check_refused("location=rtsp://u:geheim@", "names no host");
  check_refused("location=rtsp://u:geheim@cam:99999/", "1 to 65535");
}
GST_END_TEST

GST_START_TEST(location_gone_bad_while_running_is_one_error) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  g_object_set(bench.camera(), "location", "nonsense", nullptr);
  camera.close_connections();
  bench.wait_status("failed");
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(bench.errors.size(), 1);
}
GST_END_TEST

GST_START_TEST(wrong_password) {
  TestCamera camera;
  camera.require_password("admin", "geheim");
  CameraBench bench("location=" + with_userinfo(camera.url(), "admin:falsch"));
  bench.play();
  check_warned_once(bench, "unauthorized", "user-pw");
}
GST_END_TEST

GST_START_TEST(no_password) {
  TestCamera camera;
  camera.require_password("admin", "geheim");
  CameraBench bench(at(camera));
  bench.play();
  check_warned_once(bench, "unauthorized", "user-pw");
}
GST_END_TEST

GST_START_TEST(password_by_url_or_property) {
  TestCamera camera;
  camera.require_password("admin", "ge@heim");
  for (const auto &options :
       {"location=" + with_userinfo(camera.url(), "admin:ge@heim"),
        "location=" + with_userinfo(camera.url(), "admin:ge%40heim"),
        at(camera) + "user-id=admin user-pw=ge@heim",
        "location=" + with_userinfo(camera.url(), "admin:falsch") + " user-pw=ge@heim"}) {
    CameraBench bench(options);
    bench.play();
    bench.wait_frames(1);
    bench.set_state(GST_STATE_NULL);
    fail_unless(bench.warnings.empty());
  }
}
GST_END_TEST

GST_START_TEST(password_corrected_while_playing) {
  TestCamera camera;
  camera.require_password("admin", "geheim");
  CameraBench bench(at(camera) + "user-id=admin user-pw=falsch");
  bench.play();
  bench.wait_warning("unauthorized");
  g_object_set(bench.camera(), "user-pw", "geheim", nullptr);
  bench.wait_frames(1);
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

GST_START_TEST(unknown_path) {
  TestCamera camera;
  camera.set_not_found(true);
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_warning("not-found");
  fail_unless_equals_uint64(bench.statistic<guint64>("rtsp-status-code"), 404);
  check_warned_once(bench, "not-found", "path");
}
GST_END_TEST

/// What was told in an outage is told again in the next.
GST_START_TEST(each_outage_has_its_warning) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  for (guint64 outage = 1; outage <= 2; outage++) {
    bench.wait_connection(outage);
    camera.send_eos();
    bench.wait("its warning", [outage](const auto &it) { return it.warnings.size() >= outage; });
  }
  bench.set_state(GST_STATE_NULL);
  for (const auto &reason : bench.warnings) fail_unless(reason == "end-of-stream");
}
GST_END_TEST

GST_START_TEST(unknown_host) {
  CameraBench bench("location=rtsp://no-such-camera.invalid/x");
  bench.play();
  check_warned_once(bench, "unknown-host", "host name");
}
GST_END_TEST

GST_START_TEST(nobody_listens) {
  TestCamera camera;
  camera.stop();
  CameraBench bench(at(camera));
  bench.play();
  check_warned_once(bench, "connection-refused", "port");
}
GST_END_TEST

GST_START_TEST(host_is_silent) {
  TestCamera camera;
  camera.freeze();
  CameraBench bench(at(camera) + "connect-timeout=300000000");
  bench.play();
  check_warned_once(bench, "no-answer", "does not answer");
}
GST_END_TEST

GST_START_TEST(no_video_stream) {
  TestCameraOptions options;
  options.codec = CameraCodec::kAudio;
  TestCamera camera(options);
  CameraBench bench(at(camera));
  bench.play();
  check_warned_once(bench, "no-video", "no video stream");
}
GST_END_TEST

GST_START_TEST(unsupported_codec) {
  TestCameraOptions options;
  options.codec = CameraCodec::kVp8;
  TestCamera camera(options);
  CameraBench bench(at(camera));
  bench.play();
  check_warned_once(bench, "unsupported-codec", "VP8");
}
GST_END_TEST

GST_START_TEST(decoder_missing_or_unfit) {
  TestCamera camera;
  {
    CameraBench bench(at(camera) + "decoder=nosuchdec");
    bench.play();
    check_warned_once(bench, "missing-plugin", "nosuchdec is not installed");
  }
  {
    CameraBench bench(at(camera) + "decoder=identity");
    bench.play();
    check_warned_once(bench, "missing-plugin", "identity does not decode H.264");
  }
}
GST_END_TEST

GST_START_TEST(decoder_replaced_while_playing) {
  TestCamera camera;
  CameraBench bench(at(camera) + "decoder=openh264dec");
  bench.play();
  bench.wait_connection(1);
  const auto libav = cudacam::adopt(gst_element_factory_find("avdec_h264"));
  g_object_set(bench.camera(), "decoder", libav ? "avdec_h264" : "nvh264dec", nullptr);
  g_signal_emit_by_name(bench.camera(), "reconnect");
  bench.wait_connection(2);
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 2);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.segments, 1);
  fail_unless_equals_uint64(bench.stream_starts, 1);
  fail_unless_equals_uint64(bench.eos + bench.flushes, 0);
}
GST_END_TEST

GST_START_TEST(packets_without_frames) {
  TestCameraOptions options;
  options.first_keyframe_delay = std::chrono::hours(1);
  TestCamera camera(options);
  CameraBench bench(at(camera) + "first-frame-timeout=1000000000");
  bench.play();
  bench.wait_warning("no-frames");
  bench.set_state(GST_STATE_NULL);
}
GST_END_TEST

/// A connection that is given up may report errors until it has left the bin.
GST_START_TEST(errors_of_what_was_given_up_stay_inside) {
  TestCamera camera;
  CameraBench bench(at(camera));
  bench.play();
  bench.wait_connection(1);
  auto *left_over = gst_element_factory_make("identity", "left-over");
  gst_bin_add(GST_BIN(bench.camera()), left_over);
  GST_ELEMENT_ERROR(left_over, RESOURCE, WRITE, (nullptr), ("test"));
  GST_ELEMENT_WARNING(left_over, RESOURCE, WRITE, (nullptr), ("test"));
  bench.wait_frames(5);
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
  fail_unless(bench.warnings.empty());
}
GST_END_TEST

GST_START_TEST(an_error_from_downstream_ends_it) {
  TestCamera camera;
  CameraBench bench(at(camera), "identity error-after=5 ! fakesink name=sink");
  bench.play();
  bench.wait_status("failed");
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.size() >= 1);
}
GST_END_TEST

GST_START_TEST(an_eos_from_downstream_stops_without_an_error) {
  TestCamera camera;
  CameraBench bench(at(camera), "fakesink name=sink num-buffers=5");
  bench.play();
  bench.wait_frames(5);
  bench.wait_status("stopped");
  bench.wait("the pipeline's EOS", [](const auto &it) {
    return it.everything.find("eos of pipeline") != std::string::npos;
  });
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.errors.empty());
  fail_unless(bench.warnings.empty());
  fail_unless_equals_uint64(bench.eos, 1);
}
GST_END_TEST

/// A frame of a connection that is lost, or was, says nothing of what downstream wants of later
/// ones.
GST_START_TEST(an_eos_for_a_frame_of_an_old_connection_means_nothing) {
  for (const char *next : {"closing", "connecting"}) {
    TestCamera camera, other;  // one that is not held up by the client that does not read
    const bool hangs = std::string(next) == "connecting";
    CameraBench bench(at(camera) + "teardown-timeout=" + (hangs ? "300000000" : "60000000000"));
    bench.play();
    bench.wait_connection(1);
    const auto sink = adopt(gst_bin_get_by_name(GST_BIN(bench.pipeline()), "sink"));
    const auto input = adopt(gst_element_get_static_pad(sink.get(), "sink"));
    std::atomic<bool> wanted{true};
    gst_pad_add_probe(
        input.get(), GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad *, GstPadProbeInfo *info, gpointer flag) {
          if (static_cast<std::atomic<bool> *>(flag)->exchange(true)) return GST_PAD_PROBE_OK;
          gst_buffer_unref(GST_PAD_PROBE_INFO_BUFFER(info));
          GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_EOS;
          return GST_PAD_PROBE_HANDLED;
        },
        &wanted, nullptr);
    PadBlock block(bench.camera(), "src");
    bench.wait("the block", [&](const auto &) { return block.reached(); });
    g_object_set(bench.camera(), "location", other.url().c_str(), nullptr);
    g_signal_emit_by_name(bench.camera(), "reconnect");
    bench.wait_status(next, "requested");
    wanted = false;
    block.let_go();
    bench.wait_connection(2);
    fail_unless(wanted);
    bench.wait_frames(3);
    bench.set_state(GST_STATE_NULL);
    fail_unless_equals_uint64(bench.eos, 0);
    fail_unless(bench.errors.empty());
  }
}
GST_END_TEST

/// Through every kind of trouble: not in messages, statistics, properties or our log.
GST_START_TEST(password_is_nowhere) {
  DebugLog log;
  TestCamera camera;
  camera.require_password("admin", "geheim");
  CameraBench bench("location=" + with_userinfo(camera.url(), "admin:geheim") + " user-pw=geheim");
  bench.play();
  bench.wait_connection(1);
  camera.close_connections();
  bench.wait_connection(2);
  camera.reset_connections();
  bench.wait_connection(3);
  camera.set_not_found(true);
  camera.close_connections();
  bench.wait_warning("not-found");
  camera.set_not_found(false);
  bench.wait_connection(4);
  camera.require_password("admin", "anders");
  camera.close_connections();
  bench.wait_warning("unauthorized");
  camera.stop();
  bench.wait_warning("connection-refused");
  const auto statistics = bench.statistic<std::string>(nullptr);
  fail_unless(statistics.find("geheim") == std::string::npos);
  char *location = nullptr;
  g_object_get(bench.camera(), "location", &location, nullptr);
  fail_unless(strstr(location, "geheim") == nullptr);
  fail_unless(strstr(location, "***@127.0.0.1") != nullptr);
  g_free(location);
  g_object_set(bench.camera(), "location", "rtsp://u:geheim@127.0.0.1:0/", nullptr);
  bench.wait_status("failed");
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.everything.find("geheim") == std::string::npos);
  fail_unless(log.text().find("geheim") == std::string::npos);
  fail_unless(log.text().find("cudacamsrc: ") != std::string::npos);
}
GST_END_TEST

/// Wherever a text comes from: here the password is also a decoder's name.
GST_START_TEST(password_is_redacted_in_any_text) {
  TestCamera camera;
  CameraBench bench(at(camera) + "user-pw=geheim decoder=geheim");
  bench.play();
  bench.wait_warning("missing-plugin");
  fail_unless(bench.statistic<std::string>(nullptr).find("geheim") == std::string::npos);
  bench.set_state(GST_STATE_NULL);
  fail_unless(bench.everything.find("geheim") == std::string::npos);
}
GST_END_TEST

static Suite *cudacamsrc_trouble_suite() {
  auto *suite = suite_create("cudacamsrc-trouble");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, missing_location_is_one_error);
  tcase_add_test(tests, malformed_location_is_one_error);
  tcase_add_test(tests, location_gone_bad_while_running_is_one_error);
  tcase_add_test(tests, wrong_password);
  tcase_add_test(tests, no_password);
  tcase_add_test(tests, password_by_url_or_property);
  tcase_add_test(tests, password_corrected_while_playing);
  tcase_add_test(tests, unknown_path);
  tcase_add_test(tests, each_outage_has_its_warning);
  tcase_add_test(tests, unknown_host);
  tcase_add_test(tests, nobody_listens);
  tcase_add_test(tests, host_is_silent);
  tcase_add_test(tests, no_video_stream);
  tcase_add_test(tests, unsupported_codec);
  tcase_add_test(tests, decoder_missing_or_unfit);
  tcase_add_test(tests, decoder_replaced_while_playing);
  tcase_add_test(tests, packets_without_frames);
  tcase_add_test(tests, errors_of_what_was_given_up_stay_inside);
  tcase_add_test(tests, an_error_from_downstream_ends_it);
  tcase_add_test(tests, an_eos_from_downstream_stops_without_an_error);
  tcase_add_test(tests, an_eos_for_a_frame_of_an_old_connection_means_nothing);
  tcase_add_test(tests, password_is_nowhere);
  tcase_add_test(tests, password_is_redacted_in_any_text);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_trouble)
