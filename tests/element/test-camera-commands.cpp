// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the test camera does on command, seen by clients that know nothing of this project.
#include <gio/gio.h>

#include <initializer_list>
#include <stdexcept>

#include "base/ptr.hpp"
#include "camera-clients.hpp"
#include "camera-commands.hpp"

namespace {

using namespace cudacam::test;

constexpr const char *kOptions = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";

}  // namespace

GST_START_TEST(test_close_sends_fin) {
  TestCamera camera(small_picture());
  HandConnection connection(camera.port());
  connection.send(kOptions);
  fail_unless(contains(connection.read_response(), "200 OK"));
  camera.close_connections();
  fail_unless(connection.read_end() == "eof");
  fail_unless_equals_int(camera.clients(), 0);
}
GST_END_TEST

GST_START_TEST(test_reset_sends_rst) {
  TestCamera camera(small_picture());
  HandConnection connection(camera.port());
  connection.send(kOptions);
  fail_unless(contains(connection.read_response(), "200 OK"));
  camera.reset_connections();
  fail_unless(connection.read_end() == "reset");
}
GST_END_TEST

GST_START_TEST(test_close_ends_a_running_stream) {
  TestCamera camera(small_picture());
  PlayingClient client(settings_for(camera));
  fail_unless(client.wait_good_frames(3));
  camera.close_connections();
  fail_unless(client.wait_end().eos);
  fail_unless_equals_int(camera.sessions(), 0);
  PlayingClient next(settings_for(camera));
  fail_unless(next.wait_good_frames(3));
}
GST_END_TEST

GST_START_TEST(test_reset_fails_a_running_stream) {
  TestCamera camera(small_picture());
  PlayingClient client(settings_for(camera));
  fail_unless(client.wait_good_frames(3));
  camera.reset_connections();
  fail_unless(client.wait_end().domain == GST_RESOURCE_ERROR);
  PlayingClient next(settings_for(camera));
  fail_unless(next.wait_good_frames(3));
}
GST_END_TEST

static void freeze_and_go_on(const char *protocols) {
  TestCamera camera(small_picture());
  auto settings = settings_for(camera);
  settings.protocols = protocols;
  PlayingClient client(settings);
  fail_unless(client.wait_good_frames(3));
  HandConnection accepted(camera.port());
  accepted.send(kOptions);
  fail_unless(contains(accepted.read_response(), "200 OK"));

  camera.freeze();
  fail_unless(client.wait_number(*camera.highest_number()));
  const uint64_t sent = camera.frames_sent();
  HandConnection queued(camera.port());
  fail_unless(queued.connected());
  queued.send(kOptions);
  accepted.send(kOptions);
  fail_if(queued.readable_within(300));
  fail_if(accepted.readable_within(0));
  fail_unless_equals_uint64(camera.frames_sent(), sent);

  camera.unfreeze();
  fail_unless(contains(queued.read_response(), "200 OK"));
  fail_unless(contains(accepted.read_response(), "200 OK"));
  fail_unless(client.wait_good_frames(5));
  assert_no_bad_frame(client);
}

GST_START_TEST(test_freeze_over_tcp) {
  freeze_and_go_on("tcp");
}
GST_END_TEST

GST_START_TEST(test_freeze_over_udp) {
  freeze_and_go_on("udp");
}
GST_END_TEST

GST_START_TEST(test_commands_work_while_frozen) {
  TestCamera camera(small_picture());
  HandConnection connection(camera.port());
  connection.send(kOptions);
  fail_unless(contains(connection.read_response(), "200 OK"));
  camera.freeze();
  camera.reset_connections();
  fail_unless(connection.read_end() == "reset");
  camera.stop();
  camera.start();
  fail_unless(contains(describe(camera.port()), "200 OK"));
}
GST_END_TEST

/// The answer to one request is the last thing that the client hears.
GST_START_TEST(test_freeze_after_a_request) {
  TestCamera camera(small_picture());
  HandConnection client(camera.port());
  camera.freeze_after(CameraRequest::kOptions);
  fail_unless(!camera.is_frozen());
  client.send(kOptions);
  fail_unless(contains(client.read_response(), "200 OK"));
  fail_unless(camera.is_frozen());
  client.send(kOptions);
  fail_if(client.readable_within(300));
  camera.unfreeze();
  fail_unless(contains(client.read_response(), "200 OK"));
  client.send(kOptions);
  fail_unless(contains(client.read_response(), "200 OK"));
}
GST_END_TEST

GST_START_TEST(test_stop_and_start_on_the_same_port) {
  TestCamera camera(small_picture());
  const int port = camera.port();
  PlayingClient client(settings_for(camera));
  fail_unless(client.wait_good_frames(3));
  camera.stop();
  fail_if(HandConnection(port).connected());
  const auto end = client.wait_end();
  fail_unless(end.eos || end.domain);
  camera.start();
  fail_unless_equals_int(camera.port(), port);
  PlayingClient next(settings_for(camera));
  fail_unless(next.wait_good_frames(3));
}
GST_END_TEST

/// Neither another camera nor the end of somebody's connection.
GST_START_TEST(test_nobody_else_gets_the_port_of_a_stopped_camera) {
  TestCamera camera(small_picture());
  camera.stop();
  const auto other = cudacam::adopt(
      g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, nullptr));
  const auto there =
      cudacam::adopt(g_inet_socket_address_new_from_string("127.0.0.1", guint(camera.port())));
  GError *error = nullptr;
  fail_if(g_socket_bind(other.get(), there.get(), FALSE, &error));
  fail_unless(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE));
  g_error_free(error);
  camera.start();
  fail_unless(HandConnection(camera.port()).connected());
}
GST_END_TEST

GST_START_TEST(test_a_taken_port_is_an_error) {
  TestCamera camera(small_picture());
  auto options = small_picture();
  options.port = camera.port();
  try {
    TestCamera second(options);
    fail("two cameras on one port");
  } catch (const std::runtime_error &error) {
    fail_unless(contains(error.what(), std::to_string(camera.port()).c_str()));
  }
}
GST_END_TEST

GST_START_TEST(test_resolution_changes_in_mid_stream) {
  TestCamera camera(small_picture());
  PlayingClient client(settings_for(camera));
  fail_unless(client.wait_size(320, 240));
  camera.set_resolution(640, 360);
  fail_unless(client.wait_size(640, 360));
  fail_unless(client.wait_good_frames(5));
  assert_no_bad_frame(client);
  PlayingClient next(settings_for(camera));
  fail_unless(next.wait_size(640, 360));
}
GST_END_TEST

GST_START_TEST(test_eos_ends_streams_and_later_ones_run) {
  TestCamera camera(small_picture());
  PlayingClient client(settings_for(camera));
  fail_unless(client.wait_good_frames(3));
  camera.send_eos();
  fail_unless(client.wait_end().eos);
  PlayingClient next(settings_for(camera));
  fail_unless(next.wait_good_frames(3));
}
GST_END_TEST

GST_START_TEST(test_password_is_asked_for) {
  TestCamera camera(small_picture());
  camera.require_password("guard", "open");
  auto settings = settings_for(camera);
  settings.user = "guard";
  settings.password = "wrong";
  {
    PlayingClient client(settings);
    fail_unless(client.wait_end().is_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
  }
  settings.password = "open";
  PlayingClient client(settings);
  fail_unless(client.wait_good_frames(3));

  const std::string refusal = describe(camera.port());
  fail_unless(contains(refusal, "401 Unauthorized"));
  fail_unless(contains(refusal, "WWW-Authenticate: Basic"));
  fail_unless(contains(refusal, "WWW-Authenticate: Digest"));
  const std::string answer = describe(camera.port(), "Authorization: Basic Z3VhcmQ6b3Blbg==\r\n");
  fail_unless(contains(answer, "200 OK"));
  camera.require_password("", "");
  fail_unless(contains(describe(camera.port()), "200 OK"));
}
GST_END_TEST

GST_START_TEST(test_not_found) {
  TestCamera camera(small_picture());
  camera.set_not_found(true);
  PlayingClient client(settings_for(camera));
  fail_unless(client.wait_end().is_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND));
  camera.set_not_found(false);
  PlayingClient next(settings_for(camera));
  fail_unless(next.wait_good_frames(3));
}
GST_END_TEST

GST_START_TEST(test_commands_as_text) {
  TestCamera camera(small_picture());
  const auto run = [&](const char *line) { return run_camera_command(camera, line); };
  for (const char *line : {"freeze", "unfreeze", "stop", "start", "close", "reset", "eos",
                           "resolution 640x360", "notfound on", "notfound off", "password a b"})
    fail_unless(run(line) == "ok");
  fail_unless(contains(describe(camera.port()), "401"));
  fail_unless(run("password off") == "ok");
  camera.close_connections();
  fail_unless(run("status") == "clients=0 sessions=0 frames=0 newest=none");
  for (const char *line : {"resolution", "resolution 1x", "resolution 640x361", "password",
                           "notfound", "notfound maybe", "dance", "a b c d"})
    fail_unless(contains(run(line), "error: "), "%s", line);
}
GST_END_TEST

static Suite *test_camera_commands_suite() {
  Suite *suite = suite_create("test-camera-commands");
  TCase *tests = tcase_create("commands");
  tcase_add_test(tests, test_close_sends_fin);
  tcase_add_test(tests, test_reset_sends_rst);
  tcase_add_test(tests, test_close_ends_a_running_stream);
  tcase_add_test(tests, test_reset_fails_a_running_stream);
  tcase_add_test(tests, test_freeze_over_tcp);
  tcase_add_test(tests, test_freeze_over_udp);
  tcase_add_test(tests, test_commands_work_while_frozen);
  tcase_add_test(tests, test_freeze_after_a_request);
  tcase_add_test(tests, test_stop_and_start_on_the_same_port);
  tcase_add_test(tests, test_nobody_else_gets_the_port_of_a_stopped_camera);
  tcase_add_test(tests, test_a_taken_port_is_an_error);
  tcase_add_test(tests, test_resolution_changes_in_mid_stream);
  tcase_add_test(tests, test_eos_ends_streams_and_later_ones_run);
  tcase_add_test(tests, test_password_is_asked_for);
  tcase_add_test(tests, test_not_found);
  tcase_add_test(tests, test_commands_as_text);
  suite_add_tcase(suite, tests);
  return suite;
}

GST_CHECK_MAIN(test_camera_commands)
