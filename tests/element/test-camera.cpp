// SPDX-License-Identifier: LGPL-2.1-or-later
/// The test camera's streams, seen by clients that know nothing of this project.
#include <stdexcept>
#include <utility>

#include "camera-clients.hpp"

namespace {

using namespace cudacam::test;

void play(CameraCodec codec, const char *protocols, int b_frames) {
  auto options = small_picture();
  options.codec = codec;
  options.b_frames = b_frames;
  TestCamera camera(options);
  auto settings = settings_for(camera);
  settings.protocols = protocols;
  settings.codec = to_string(codec);
  PlayingClient client(settings);
  fail_unless(client.wait_good_frames(30));
  assert_no_bad_frame(client);
  fail_unless_equals_int(camera.clients(), 1);
  fail_unless_equals_int(camera.sessions(), 1);
  fail_unless(camera.frames_sent() >= 30);
}

}  // namespace

GST_START_TEST(test_h264_over_tcp) {
  play(CameraCodec::kH264, "tcp", 0);
}
GST_END_TEST

GST_START_TEST(test_h264_over_udp) {
  play(CameraCodec::kH264, "udp", 0);
}
GST_END_TEST

GST_START_TEST(test_h264_with_b_frames) {
  play(CameraCodec::kH264, "tcp", 2);
}
GST_END_TEST

GST_START_TEST(test_h265_over_tcp) {
  play(CameraCodec::kH265, "tcp", 0);
}
GST_END_TEST

GST_START_TEST(test_h265_over_udp) {
  play(CameraCodec::kH265, "udp", 0);
}
GST_END_TEST

GST_START_TEST(test_numbers_survive_a_low_bitrate) {
  auto options = small_picture();
  options.bitrate = 60;
  TestCamera camera(options);
  PlayingClient client(settings_for(camera));
  fail_unless(client.wait_good_frames(50));
  assert_no_bad_frame(client);
}
GST_END_TEST

GST_START_TEST(test_two_clients_see_the_same_numbers) {
  TestCamera camera(small_picture());
  PlayingClient early(settings_for(camera));
  fail_unless(early.wait_good_frames(5));
  PlayingClient late(settings_for(camera));
  fail_unless(late.wait_good_frames(5));
  fail_unless(early.wait_number(*late.checker().last()));
  fail_unless_equals_int(camera.clients(), 2);
}
GST_END_TEST

GST_START_TEST(test_numbers_rise_over_connections_and_cameras) {
  uint32_t last = 0;
  int port = 0;
  for (int life = 0; life < 2; ++life) {
    auto options = small_picture();
    options.port = port;
    TestCamera camera(options);
    port = camera.port();
    for (int connection = 0; connection < 2; ++connection) {
      PlayingClient client(settings_for(camera));
      fail_unless(client.wait_good_frames(3));
      const uint32_t now = *client.checker().last();
      fail_unless(static_cast<int32_t>(now - last) > 0 || last == 0, "%u after %u", now, last);
      last = now;
    }
  }
}
GST_END_TEST

GST_START_TEST(test_streams_that_clients_cannot_use) {
  const struct {
    CameraCodec codec;
    const char *present;
    const char *absent;
  } cases[] = {{CameraCodec::kAudio, "PCMA", "m=video"},
               {CameraCodec::kVp8, "VP8", "H264"},
               {CameraCodec::kJpeg, "m=video 0 RTP/AVP 26", "H264"}};
  for (const auto &expected : cases) {
    auto options = small_picture();
    options.codec = expected.codec;
    TestCamera camera(options);
    const std::string answer = describe(camera.port());
    fail_unless(contains(answer, expected.present), "%s", answer.c_str());
    fail_if(contains(answer, expected.absent), "%s", answer.c_str());
  }
}
GST_END_TEST

GST_START_TEST(test_sound_beside_the_video) {
  auto options = small_picture();
  options.with_audio = true;
  TestCamera camera(options);
  const std::string answer = describe(camera.port());
  fail_unless(contains(answer, "m=video") && contains(answer, "m=audio"));
}
GST_END_TEST

GST_START_TEST(test_first_keyframe_can_be_late) {
  auto options = small_picture();
  options.first_keyframe_delay = std::chrono::seconds(2);
  TestCamera camera(options);
  PlayingClient client(settings_for(camera));
  fail_unless(client.wait_good_frames(3));
  fail_unless(camera.frames_sent() > 10);
}
GST_END_TEST

GST_START_TEST(test_options_that_cannot_be_served) {
  for (const auto &size : {std::pair{100, 360}, {640, 90}, {641, 360}}) {
    auto options = small_picture();
    options.width = size.first;
    options.height = size.second;
    try {
      TestCamera camera(options);
      fail("%dx%d was accepted", size.first, size.second);
    } catch (const std::invalid_argument &) {
    }
  }
}
GST_END_TEST

GST_START_TEST(test_an_address_by_name) {
  auto options = small_picture();
  options.address = "localhost";
  TestCamera camera(options);
  fail_unless(camera.url().find("//127.0.0.1:") != std::string::npos, "%s", camera.url().c_str());
  PlayingClient client(settings_for(camera));
  fail_unless(client.wait_good_frames(1));

  options.address = std::string(64, 'x');  // one more than a name may have: nobody is asked
  std::string reason;
  try {
    TestCamera nowhere(options);
  } catch (const std::runtime_error &failure) {
    reason = failure.what();
  }
  fail_unless(reason.find("is no address to listen on") != std::string::npos, "%s", reason.c_str());
}
GST_END_TEST

static Suite *test_camera_suite() {
  Suite *suite = suite_create("test-camera");
  TCase *tests = tcase_create("streams");
  tcase_add_test(tests, test_h264_over_tcp);
  tcase_add_test(tests, test_h264_over_udp);
  tcase_add_test(tests, test_h264_with_b_frames);
  tcase_add_test(tests, test_h265_over_tcp);
  tcase_add_test(tests, test_h265_over_udp);
  tcase_add_test(tests, test_numbers_survive_a_low_bitrate);
  tcase_add_test(tests, test_two_clients_see_the_same_numbers);
  tcase_add_test(tests, test_numbers_rise_over_connections_and_cameras);
  tcase_add_test(tests, test_streams_that_clients_cannot_use);
  tcase_add_test(tests, test_sound_beside_the_video);
  tcase_add_test(tests, test_first_keyframe_can_be_late);
  tcase_add_test(tests, test_options_that_cannot_be_served);
  tcase_add_test(tests, test_an_address_by_name);
  suite_add_tcase(suite, tests);
  return suite;
}

GST_CHECK_MAIN(test_camera)
