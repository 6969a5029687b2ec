// SPDX-License-Identifier: LGPL-2.1-or-later
/// reconnect return [TRIALS] | dead [CAMERAS [SECONDS]] | neighbours [SECONDS [WIDTHxHEIGHT]]
///
/// What a reconnect costs, as JSON on stdout. No test: a figure means something on a machine with
/// nothing else to do.
///
///   return      from the attempt's start to the first decoded frame, beside a bare
///               `rtspsrc ! depay ! parse ! fakesink` that starts at the same moment and waits for
///               the same key frame: how far cudacamsrc is behind (100 trials)
///   dead        CPU time and threads of cameras (200) that are not there: whose port is closed,
///   and
///               who accept and say nothing (60 s each, after the backoff has reached its longest)
///   neighbours  15 cameras beside one that reconnects every second, in a process with one GPU:
///               intervals between their frames and how long a picture is in the decoder, quiet,
///               with the decoder kept (60 s), and with it made anew each time; the quiet and the
///               last part take a third of that. On a GPU each of them copies each frame and
///               launches a kernel that does, on a stream of its own: how long the driver's calls
///               take (submitted), how long until the thread knows that the GPU is done
///               (completed), and how long the GPU takes between the events around the work
///               (on_gpu)
#include <gio/gio.h>
#include <gst/gst.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "reconnect-bench.hpp"
#include "test-camera.hpp"

namespace {

using namespace cudacam;
using namespace cudacam::bench;
using test::TestCamera;
using test::TestCameraOptions;

std::string bare(const TestCamera &camera) {
  return "rtspsrc protocols=tcp latency=200 location=" + camera.url() +
         " ! rtph264depay ! h264parse config-interval=-1 ! fakesink name=sink sync=false";
}

void measure_return(unsigned trials) {
  TestCameraOptions options;
  options.fps = 50;
  options.gop = 25;
  TestCamera camera(options);
  // Before the pipelines, whose threads use them.
  Moment keyframe, connecting, first_frame, playing;
  // Keeps the camera's stream going, and says when a key frame has just passed: both then have half
  // a second to connect before the next one.
  Pipeline metronome(bare(camera));
  watch_buffers(metronome, "sink", keyframe, true);
  metronome.play();

  struct Watch {
    Moment &first_frame;
    std::atomic<bool> armed{false};
  } watch{first_frame};
  Pipeline ours("cudacamsrc name=camera retry-min-delay=1000000 location=" + camera.url() +
                " ! fakesink name=sink sync=false");
  const auto bus = adopt(gst_element_get_bus(ours.get()));
  gst_bus_set_sync_handler(
      bus.get(),
      [](GstBus *, GstMessage *message, gpointer data) -> GstBusSyncReply {
        const auto *fields = gst_message_get_structure(message);
        if (gst_message_has_name(message, "cudacam-status") &&
            g_strcmp0(gst_structure_get_string(fields, "status"), "connecting") == 0)
          static_cast<Moment *>(data)->reached();
        gst_message_unref(message);
        return GST_BUS_DROP;
      },
      &connecting, nullptr);
  const auto pad = adopt(gst_element_get_static_pad(ours.element("camera").get(), "src"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *, GstPadProbeInfo *info, gpointer data) {
        auto *it = static_cast<Watch *>(data);
        // DISCONT: the first one of its connection.
        if (it->armed && GST_BUFFER_IS_DISCONT(GST_PAD_PROBE_INFO_BUFFER(info)))
          it->first_frame.reached();
        return GST_PAD_PROBE_OK;
      },
      &watch, nullptr);
  watch_buffers(ours, "sink", playing, false);
  ours.play();
  playing.wait();

  Milliseconds behind, own, others;
  for (unsigned i = 0; i < trials; i++) {
    connecting.clear();
    first_frame.clear();
    keyframe.clear();
    keyframe.wait();
    watch.armed = true;
    g_signal_emit_by_name(ours.element("camera").get(), "reconnect");
    const auto start = connecting.wait();
    Moment bare_keyframe;
    Pipeline reference(bare(camera));
    watch_buffers(reference, "sink", bare_keyframe, true);
    reference.play();
    const auto theirs = bare_keyframe.wait();
    const auto mine = first_frame.wait();
    watch.armed = false;
    behind.push_back(milliseconds(mine - theirs));
    own.push_back(milliseconds(mine - start));
    others.push_back(milliseconds(theirs - start));
  }
  std::printf(R"({"return": {"behind_bare_ms": %s, "first_frame_ms": %s, "bare_keyframe_ms": %s}})"
              "\n",
              summary(behind).c_str(), summary(own).c_str(), summary(others).c_str());
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval &time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

unsigned count_threads() {
  unsigned count = 0;
  for ([[maybe_unused]] const auto &entry : std::filesystem::directory_iterator("/proc/self/task"))
    count++;
  return count;
}

std::string dead_cameras(const std::string &location, unsigned cameras, unsigned seconds) {
  std::string description;
  for (unsigned i = 0; i < cameras; i++)
    description += "cudacamsrc location=" + location + " ! fakesink sync=false ";
  Pipeline pipeline(description);
  const auto before = count_threads();
  pipeline.play();
  unsigned most = 0;
  const auto pass = [&](unsigned duration) {
    const auto end = Clock::now() + std::chrono::seconds(duration);
    while (Clock::now() < end) {
      most = std::max(most, count_threads());
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  };
  pass(40);  // 0.5 s, 1, 2, 4, 8, 10: the backoff is at its longest
  const auto at_first = most;
  most = 0;
  const auto start = Clock::now();
  const auto cpu = cpu_seconds();
  pass(seconds);
  const auto share =
      (cpu_seconds() - cpu) / (milliseconds(Clock::now() - start) / 1000) / cameras * 100;
  char text[200];
  std::snprintf(text, sizeof text,
                R"({"core_percent_each": %.4f, "threads": %u, "threads_at_first": %u})", share,
                most - before, at_first - before);
  return text;
}

void measure_dead(unsigned cameras, unsigned seconds) {
  std::string closed;
  {
    TestCamera camera;
    closed = camera.url();
  }
  const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  listen(silent, 4096);
  const auto own = adopt(g_socket_new_from_fd(silent, nullptr));
  const auto address = adopt(g_socket_get_local_address(own.get(), nullptr));
  const auto port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address.get()));
  const auto refused = dead_cameras(closed, cameras, seconds);
  const auto mute =
      dead_cameras("rtsp://127.0.0.1:" + std::to_string(port) + "/x", cameras, seconds);
  std::printf(R"({"dead": {"cameras": %u, "port_closed": %s, "silent": %s}})"
              "\n",
              cameras, refused.c_str(), mute.c_str());
}

unsigned number(int argc, char **argv, int at, unsigned usual) {
  return argc > at ? static_cast<unsigned>(std::strtoul(argv[at], nullptr, 10)) : usual;
}

}  // namespace

int main(int argc, char **argv) try {
  gst_init(&argc, &argv);
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "return") {
    measure_return(number(argc, argv, 2, 100));
  } else if (what == "dead") {
    measure_dead(number(argc, argv, 2, 200), number(argc, argv, 3, 60));
  } else if (what == "neighbours") {
    int width = 1280, height = 720;
    if (argc > 3 && std::sscanf(argv[3], "%dx%d", &width, &height) != 2) return 2;
    return measure_neighbours(number(argc, argv, 2, 60), width, height);
  } else {
    std::fprintf(stderr, "usage: %s return|dead|neighbours [NUMBER ...]\n", argv[0]);
    return 2;
  }
  return 0;
} catch (const std::exception &failure) {
  std::fprintf(stderr, "reconnect: %s\n", failure.what());
  return 1;
}
