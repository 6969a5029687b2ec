// SPDX-License-Identifier: LGPL-2.1-or-later
//
// cudacam-testcam: the test camera as a program. See --help.
#include <glib-unix.h>
#include <gst/gst.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <string>

#include "camera-commands.hpp"
#include "command-line.hpp"
#include "test-camera.hpp"

namespace {

using cudacam::test::CommandLine;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

constexpr const char *kSummary =
    "Serves live video with numbered frames at rtsp://ADDRESS:PORT/cam, for trying out clients "
    "that\n"
    "must survive a camera's failures. The URL is the first line on standard output, printed when\n"
    "the camera answers.";

constexpr const char *kDescription =
    "Commands on standard input, one a line:\n"
    "  close              end all connections (the client reads end of file)\n"
    "  reset              the same with a TCP reset\n"
    "  freeze, unfreeze   stay connected, but send and answer nothing\n"
    "  stop, start        close the port too; listen again on the same one\n"
    "  resolution WxH     change the size in mid-stream\n"
    "  eos                end the running streams (RTCP BYE)\n"
    "  password USER PASS ask later connections for it; `password off` takes it back\n"
    "  notfound on|off    answer 404\n"
    "  status             one line: clients, sessions, frames, newest number\n"
    "  quit               end the program; so do SIGINT and SIGTERM\n"
    "The end of standard input ends nothing. The program may be killed at any time and started\n"
    "again on the same port; its frame numbers go on where the clock is.\n"
    "\n"
    "Example: cudacam-testcam --port 8554 --codec h265 --width 1280 --height 720";

struct Console {
  TestCamera *camera;
  GMainLoop *loop;
};

gboolean on_line(GIOChannel *channel, GIOCondition, gpointer user_data) {
  auto *console = static_cast<Console *>(user_data);
  gchar *line = nullptr;
  const GIOStatus status = g_io_channel_read_line(channel, &line, nullptr, nullptr, nullptr);
  if (status == G_IO_STATUS_AGAIN) return G_SOURCE_CONTINUE;
  if (status != G_IO_STATUS_NORMAL) return G_SOURCE_REMOVE;
  const std::string command = g_strstrip(line);
  g_free(line);
  if (command == "quit") {
    g_main_loop_quit(console->loop);
  } else if (!command.empty()) {
    const std::string answer = cudacam::test::run_camera_command(*console->camera, command);
    std::printf("%s\n", answer.c_str());
    std::fflush(stdout);
  }
  return G_SOURCE_CONTINUE;
}

gboolean on_signal(gpointer loop) {
  g_main_loop_quit(static_cast<GMainLoop *>(loop));
  return G_SOURCE_CONTINUE;
}

// Throws std::runtime_error with a sentence for the user.
TestCameraOptions parse(int argc, char **argv) {
  TestCameraOptions options;
  std::string codec;
  int keyframe_delay = 0;
  CommandLine line("an RTSP test camera that fails on command", kSummary, kDescription);
  line.add("port", options.port, "TCP port; 0 takes a free one (default 0)", "N", 'p');
  line.add(
      "address", options.address,
      "Address to listen on, or the name of a host that has it (default 127.0.0.1; 0.0.0.0: all)",
      "HOST", 'a');
  line.add("width", options.width, "Width in pixels (default 640)");
  line.add("height", options.height, "Height in pixels (default 360)");
  line.add("fps", options.fps, "Frames a second (default 25)");
  line.add("codec", codec, "h264, h265, vp8, jpeg, or audio for no video at all (default h264)",
           "NAME");
  line.add("gop", options.gop, "Frames from keyframe to keyframe (default one second's)");
  line.add("b-frames", options.b_frames, "Consecutive B-frames (default 0)");
  line.add("bitrate", options.bitrate, "Video kbit/s (default 1500)");
  line.add("first-keyframe-delay", keyframe_delay,
           "Send no keyframe for this long after a stream starts (default 0)", "MS");
  line.add("audio", options.with_audio, "Serve sound beside the video");
  line.add("user", options.user, "User to ask for", "NAME");
  line.add("password", options.password, "Password to ask for", "WORD");
  line.add("not-found", options.not_found, "Answer 404");
  line.parse(argc, argv);
  if (!codec.empty()) {
    const auto known = cudacam::test::codec_from_string(codec);
    if (!known) throw std::runtime_error("unknown codec: " + codec);
    options.codec = *known;
  }
  options.first_keyframe_delay = std::chrono::milliseconds(keyframe_delay);
  return options;
}

void serve(const TestCameraOptions &options) {
  TestCamera camera(options);
  std::printf("%s\n", camera.url().c_str());
  std::fflush(stdout);

  GMainLoop *loop = g_main_loop_new(nullptr, FALSE);
  Console console{&camera, loop};
  const guint interrupt = g_unix_signal_add(SIGINT, on_signal, loop);
  const guint terminate = g_unix_signal_add(SIGTERM, on_signal, loop);
  GIOChannel *input = g_io_channel_unix_new(STDIN_FILENO);
  GSource *lines = g_io_create_watch(
      input, static_cast<GIOCondition>(G_IO_IN | G_IO_HUP | G_IO_ERR | G_IO_NVAL));
  g_source_set_callback(lines, G_SOURCE_FUNC(on_line), &console, nullptr);
  g_source_attach(lines, nullptr);
  g_main_loop_run(loop);
  g_source_destroy(lines);
  g_source_unref(lines);
  g_io_channel_unref(input);
  g_source_remove(interrupt);
  g_source_remove(terminate);
  g_main_loop_unref(loop);
}

}  // namespace

int main(int argc, char **argv) {
  return cudacam::test::run_program("cudacam-testcam", [&] {
    serve(parse(argc, argv));
    return 0;
  });
}
