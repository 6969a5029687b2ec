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
///               with the decoder kept, and with it made anew each time (60 s each)
#include <gio/gio.h>
#include <gst/gst.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/ptr.hpp"
#include "test-camera.hpp"

namespace {

using cudacam::adopt;
using cudacam::ObjectPtr;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::vector<double>;

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

std::string summary(Milliseconds values) {
  if (values.empty()) return "null";
  std::sort(values.begin(), values.end());
  const auto at = [&](std::size_t permille) {
    return values[(values.size() - 1) * permille / 1000];
  };
  char text[200];
  std::snprintf(text, sizeof text,
                R"({"count": %zu, "median": %.3f, "p99": %.3f, "p99.9": %.3f, "longest": %.3f})",
                values.size(), at(500), at(990), at(999), values.back());
  return text;
}

ObjectPtr<GstElement> pipeline_of(const std::string &description) {
  GError *error = nullptr;
  auto pipeline = cudacam::sink(gst_parse_launch(description.c_str(), &error));
  if (!error) return pipeline;
  std::fprintf(stderr, "%s\n", error->message);
  std::exit(1);
}

/// A pipeline that ends when its owner does.
class Pipeline {
 public:
  explicit Pipeline(const std::string &description) : pipeline_(pipeline_of(description)) {}
  ~Pipeline() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }
  void play() { gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING); }
  ObjectPtr<GstElement> element(const char *name) const {
    return adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
  }
  GstElement *get() const { return pipeline_.get(); }

 private:
  ObjectPtr<GstElement> pipeline_;
};

/// The first of something, and when it was.
class Moment {
 public:
  void reached() {
    std::lock_guard lock(mutex_);
    if (!time_) time_ = Clock::now();
    changed_.notify_all();
  }
  Clock::time_point wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return time_.has_value(); });
    return *time_;
  }
  void clear() {
    std::lock_guard lock(mutex_);
    time_.reset();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Clock::time_point> time_;
};

/// Reached with each key frame, or each buffer, that arrives at `sink`.
void watch_buffers(const Pipeline &pipeline, const char *sink, Moment &moment, bool keyframes) {
  const auto pad = adopt(gst_element_get_static_pad(pipeline.element(sink).get(), "sink"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      keyframes ? GstPadProbeCallback([](GstPad *, GstPadProbeInfo *info, gpointer data) {
        if (!GST_BUFFER_FLAG_IS_SET(GST_PAD_PROBE_INFO_BUFFER(info), GST_BUFFER_FLAG_DELTA_UNIT))
          static_cast<Moment *>(data)->reached();
        return GST_PAD_PROBE_OK;
      })
                : GstPadProbeCallback([](GstPad *, GstPadProbeInfo *, gpointer data) {
                    static_cast<Moment *>(data)->reached();
                    return GST_PAD_PROBE_OK;
                  }),
      &moment, nullptr);
}

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

/// One of the fifteen: when its frames come, and how long each picture was in the decoder.
class Neighbour {
 public:
  explicit Neighbour(const std::string &location)
      : pipeline_("cudacamsrc name=camera location=" + location +
                  " ! cudacampool ! fakesink name=sink sync=false") {
    watch_buffers(pipeline_, "sink", first_, false);
    pipeline_.play();
    first_.wait();
    const auto decoder = pipeline_.element("decoder");
    const auto input = adopt(gst_element_get_static_pad(decoder.get(), "sink"));
    const auto output = adopt(gst_element_get_static_pad(pipeline_.element("sink").get(), "sink"));
    gst_pad_add_probe(input.get(), GST_PAD_PROBE_TYPE_BUFFER, on_input, this, nullptr);
    gst_pad_add_probe(output.get(), GST_PAD_PROBE_TYPE_BUFFER, on_output, this, nullptr);
  }
  void take(Milliseconds &intervals, Milliseconds &inside) {
    std::lock_guard lock(mutex_);
    intervals.insert(intervals.end(), intervals_.begin(), intervals_.end());
    inside.insert(inside.end(), inside_.begin(), inside_.end());
    intervals_.clear();
    inside_.clear();
    latest_.reset();
  }

 private:
  static GstPadProbeReturn on_input(GstPad *, GstPadProbeInfo *info, gpointer data) {
    auto *self = static_cast<Neighbour *>(data);
    std::lock_guard lock(self->mutex_);
    self->entered_[GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info))] = Clock::now();
    return GST_PAD_PROBE_OK;
  }
  static GstPadProbeReturn on_output(GstPad *, GstPadProbeInfo *info, gpointer data) {
    auto *self = static_cast<Neighbour *>(data);
    const auto now = Clock::now();
    std::lock_guard lock(self->mutex_);
    if (self->latest_) self->intervals_.push_back(milliseconds(now - *self->latest_));
    self->latest_ = now;
    const auto entered = self->entered_.find(GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)));
    if (entered == self->entered_.end()) return GST_PAD_PROBE_OK;
    self->inside_.push_back(milliseconds(now - entered->second));
    self->entered_.erase(self->entered_.begin(), std::next(entered));
    return GST_PAD_PROBE_OK;
  }

  Moment first_;
  std::mutex mutex_;  // guards what follows, but the pipeline
  Milliseconds intervals_, inside_;
  std::optional<Clock::time_point> latest_;
  std::map<GstClockTime, Clock::time_point> entered_;
  Pipeline pipeline_;  // last: its threads use the others
};

void measure_neighbours(unsigned seconds, int width, int height) {
  TestCameraOptions options;
  options.width = width;
  options.height = height;
  options.fps = 30;
  options.gop = 15;
  options.bitrate = 4000;
  TestCamera camera(options);
  std::vector<std::unique_ptr<Neighbour>> neighbours;
  for (int i = 0; i < 15; i++) neighbours.push_back(std::make_unique<Neighbour>(camera.url()));
  Moment first;
  Pipeline restless("cudacamsrc name=camera retry-min-delay=1000000 location=" + camera.url() +
                    " ! cudacampool ! fakesink name=sink sync=false");
  watch_buffers(restless, "sink", first, false);
  restless.play();
  first.wait();
  const auto source = restless.element("camera");
  const char *best = "openh264dec";
  for (const char *name : {"avdec_h264", "nvh264dec"}) {
    if (adopt(gst_element_factory_find(name))) best = name;
  }

  enum class Load { quiet, kept, made_anew };
  std::string text;
  for (const auto load : {Load::quiet, Load::kept, Load::made_anew}) {
    for (auto &neighbour : neighbours) {
      Milliseconds unused;
      neighbour->take(unused, unused);
    }
    for (unsigned second = 0; second < seconds; second++) {
      // The best decoder by its name and without one: each change asks for a new one of that kind.
      if (load == Load::made_anew)
        g_object_set(source.get(), "decoder", second % 2 ? best : "", nullptr);
      if (load != Load::quiet) g_signal_emit_by_name(source.get(), "reconnect");
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    Milliseconds intervals, inside;
    for (auto &neighbour : neighbours) neighbour->take(intervals, inside);
    GstStructure *statistics = nullptr;
    guint64 connections = 0, decoders = 0;
    g_object_get(source.get(), "statistics", &statistics, nullptr);
    gst_structure_get(statistics, "connections", G_TYPE_UINT64, &connections, "decoders",
                      G_TYPE_UINT64, &decoders, nullptr);
    gst_structure_free(statistics);
    const char *name = load == Load::quiet  ? "quiet"
                       : load == Load::kept ? "decoder_kept"
                                            : "decoder_made_anew";
    text += std::string(text.empty() ? "" : ", ") + "\"" + name +
            "\": {\"interval_ms\": " + summary(intervals) +
            ", \"in_decoder_ms\": " + summary(inside) +
            ", \"connections_so_far\": " + std::to_string(connections) +
            ", \"decoders_so_far\": " + std::to_string(decoders) + "}";
  }
  std::printf("{\"neighbours\": {\"decoder\": \"%s\", %s}}\n", best, text.c_str());
}

unsigned number(int argc, char **argv, int at, unsigned usual) {
  return argc > at ? static_cast<unsigned>(std::strtoul(argv[at], nullptr, 10)) : usual;
}

}  // namespace

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "return") {
    measure_return(number(argc, argv, 2, 100));
  } else if (what == "dead") {
    measure_dead(number(argc, argv, 2, 200), number(argc, argv, 3, 60));
  } else if (what == "neighbours") {
    int width = 1280, height = 720;
    if (argc > 3 && std::sscanf(argv[3], "%dx%d", &width, &height) != 2) return 2;
    measure_neighbours(number(argc, argv, 2, 60), width, height);
  } else {
    std::fprintf(stderr, "usage: %s return|dead|neighbours [NUMBER ...]\n", argv[0]);
    return 2;
  }
}
