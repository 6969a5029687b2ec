// SPDX-License-Identifier: LGPL-2.1-or-later
//
// cudacam-testcam: the test camera as a program. See --help.
#include <glib-unix.h>
#include <gst/gst.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include "camera-commands.hpp"
#include "test-camera.hpp"

namespace {

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

struct Arguments {
  TestCameraOptions options;
  gchar *codec = nullptr;
  gchar *address = nullptr;
  gchar *user = nullptr;
  gchar *password = nullptr;
  gint keyframe_delay = 0;
  gboolean audio = FALSE;
  gboolean not_found = FALSE;

  ~Arguments() {
    for (gchar *text : {codec, address, user, password}) g_free(text);
  }
};

// Throws std::runtime_error with a sentence for the user.
void parse(int argc, char **argv, Arguments &arguments) {
  TestCameraOptions &o = arguments.options;
  const GOptionEntry entries[] = {
      {"port", 'p', 0, G_OPTION_ARG_INT, &o.port, "TCP port; 0 takes a free one (default 0)", "N"},
      {"address", 'a', 0, G_OPTION_ARG_STRING, &arguments.address,
       "Address to listen on (default 127.0.0.1; 0.0.0.0: all)", "IP"},
      {"width", 0, 0, G_OPTION_ARG_INT, &o.width, "Width in pixels (default 640)", "N"},
      {"height", 0, 0, G_OPTION_ARG_INT, &o.height, "Height in pixels (default 360)", "N"},
      {"fps", 0, 0, G_OPTION_ARG_INT, &o.fps, "Frames a second (default 25)", "N"},
      {"codec", 0, 0, G_OPTION_ARG_STRING, &arguments.codec,
       "h264, h265, vp8, jpeg, or audio for no video at all (default h264)", "NAME"},
      {"gop", 0, 0, G_OPTION_ARG_INT, &o.gop,
       "Frames from keyframe to keyframe (default one second's)", "N"},
      {"b-frames", 0, 0, G_OPTION_ARG_INT, &o.b_frames, "Consecutive B-frames (default 0)", "N"},
      {"bitrate", 0, 0, G_OPTION_ARG_INT, &o.bitrate, "Video kbit/s (default 1500)", "N"},
      {"first-keyframe-delay", 0, 0, G_OPTION_ARG_INT, &arguments.keyframe_delay,
       "Send no keyframe for this long after a stream starts (default 0)", "MS"},
      {"audio", 0, 0, G_OPTION_ARG_NONE, &arguments.audio, "Serve sound beside the video", nullptr},
      {"user", 0, 0, G_OPTION_ARG_STRING, &arguments.user, "User to ask for", "NAME"},
      {"password", 0, 0, G_OPTION_ARG_STRING, &arguments.password, "Password to ask for", "WORD"},
      {"not-found", 0, 0, G_OPTION_ARG_NONE, &arguments.not_found, "Answer 404", nullptr},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
  GOptionContext *context = g_option_context_new("- an RTSP test camera that fails on command");
  g_option_context_set_summary(context, kSummary);
  g_option_context_set_description(context, kDescription);
  g_option_context_add_main_entries(context, entries, nullptr);
  g_option_context_add_group(context, gst_init_get_option_group());
  GError *error = nullptr;
  const gboolean parsed = g_option_context_parse(context, &argc, &argv, &error);
  g_option_context_free(context);
  if (!parsed) {
    const std::string reason = error->message;
    g_error_free(error);
    throw std::runtime_error(reason);
  }
  if (argc > 1) throw std::runtime_error(std::string("no argument expected: ") + argv[1]);
  if (arguments.codec) {
    const auto codec = cudacam::test::codec_from_string(arguments.codec);
    if (!codec) throw std::runtime_error(std::string("unknown codec: ") + arguments.codec);
    o.codec = *codec;
  }
  if (arguments.address) o.address = arguments.address;
  if (arguments.user) o.user = arguments.user;
  if (arguments.password) o.password = arguments.password;
  o.first_keyframe_delay = std::chrono::milliseconds(arguments.keyframe_delay);
  o.with_audio = arguments.audio;
  o.not_found = arguments.not_found;
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
  try {
    Arguments arguments;
    parse(argc, argv, arguments);
    serve(arguments.options);
    return 0;
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "cudacam-testcam: %s\n", failure.what());
    return 1;
  }
}
