// SPDX-License-Identifier: LGPL-2.1-or-later
/// decode FILE [CAMERAS [READERS [REPEATS [DECODER]]]]: what pool, sink and readers cost on a GPU,
/// as JSON on stdout.
///
/// Decodes FILE (H.264 byte-stream) REPEATS times (4) in each of CAMERAS (48) pipelines at once, as
/// fast as it goes: `nvh264dec ! fakesink`, and `nvh264dec ! cudacampool ! cudacamsink` with
/// READERS (4) threads for each camera that take the newest frame and let it go. In turns, three
/// times each; the best counts.
#include <gst/gst.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gstcudacam.h"

namespace {

struct Options {
  std::string file;
  unsigned cameras = 48, readers = 4, repeats = 4;
  std::string decoder = "nvh264dec";
};

struct Result {
  double frames_per_second = 0;
  unsigned long long frames = 0, leases = 0, dropped = 0;
};

class Pipeline {
 public:
  Pipeline(const Options &options, const char *end) {
    const auto launch = "multifilesrc loop=true num-buffers=" + std::to_string(options.repeats) +
                        " location=" + options.file + " ! h264parse ! " + options.decoder +
                        " ! identity name=count silent=true signal-handoffs=true ! " + end;
    GError *error = nullptr;
    pipeline_ = gst_parse_launch(launch.c_str(), &error);
    if (!pipeline_ || error) {
      std::fprintf(stderr, "%s: %s\n", launch.c_str(), error ? error->message : "?");
      std::exit(1);
    }
    auto *count = gst_bin_get_by_name(GST_BIN(pipeline_), "count");
    g_signal_connect(count, "handoff",
                     G_CALLBACK(+[](GstElement *, GstBuffer *, std::atomic<unsigned> *frames) {
                       frames->fetch_add(1, std::memory_order_relaxed);
                     }),
                     &frames_);
    gst_object_unref(count);
  }
  ~Pipeline() {
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    gst_object_unref(pipeline_);
  }
  Pipeline(const Pipeline &) = delete;
  Pipeline &operator=(const Pipeline &) = delete;

  void play() { gst_element_set_state(pipeline_, GST_STATE_PLAYING); }
  void wait() {
    auto *bus = gst_element_get_bus(pipeline_);
    auto *message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE,
                                               GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      GError *error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      std::fprintf(stderr, "%s\n", error->message);
      std::exit(1);
    }
    gst_message_unref(message);
    gst_object_unref(bus);
  }
  unsigned frames() const { return frames_; }
  GstElement *get(const char *name) { return gst_bin_get_by_name(GST_BIN(pipeline_), name); }

 private:
  GstElement *pipeline_;
  std::atomic<unsigned> frames_{0};
};

unsigned long long take_frames(GstElement *sink, const std::string &name,
                               const std::atomic<bool> &done) {
  unsigned long long leases = 0;
  while (!done) {
    auto *lease = gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink), name.c_str(),
                                              100 * GST_MSECOND, nullptr);
    if (!lease) continue;
    ++leases;
    gst_cuda_cam_lease_unref(lease);
  }
  return leases;
}

Result run(const Options &options, const char *end, unsigned readers) {
  std::vector<std::unique_ptr<Pipeline>> cameras;
  for (unsigned i = 0; i < options.cameras; ++i)
    cameras.push_back(std::make_unique<Pipeline>(options, end));
  std::atomic<bool> done{false};
  std::atomic<unsigned long long> leases{0};
  std::vector<std::thread> threads;
  std::vector<GstElement *> sinks;
  for (auto &camera : cameras) {
    if (readers) sinks.push_back(camera->get("sink"));
    for (unsigned i = 0; i < readers; ++i)
      threads.emplace_back([&, sink = sinks.back(), name = "reader" + std::to_string(i)] {
        leases += take_frames(sink, name, done);
      });
  }
  const auto start = std::chrono::steady_clock::now();
  for (auto &camera : cameras) camera->play();
  for (auto &camera : cameras) camera->wait();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  done = true;
  for (auto &thread : threads) thread.join();
  Result result;
  for (auto &camera : cameras) {
    result.frames += camera->frames();
    auto *pool = readers ? camera->get("pool") : nullptr;
    if (!pool) continue;
    GstStructure *fields = nullptr;
    guint64 dropped = 0;
    g_object_get(pool, "statistics", &fields, nullptr);
    gst_structure_get_uint64(fields, "dropped", &dropped);
    result.dropped += dropped;
    gst_structure_free(fields);
    gst_object_unref(pool);
  }
  for (auto *sink : sinks) gst_object_unref(sink);
  result.frames_per_second = static_cast<double>(result.frames) / took.count();
  result.leases = leases;
  return result;
}

}  // namespace

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc < 2) {
    std::fprintf(stderr, "usage: decode FILE [CAMERAS [READERS [REPEATS [DECODER]]]]\n");
    return 2;
  }
  Options options;
  options.file = argv[1];
  const auto number = [&](int i, unsigned &value) {
    if (argc > i) value = static_cast<unsigned>(std::atoi(argv[i]));
  };
  number(2, options.cameras);
  number(3, options.readers);
  number(4, options.repeats);
  if (argc > 5) options.decoder = argv[5];
  Result plain, lent;
  for (int round = 0; round < 3; ++round) {
    const auto keep = [](Result &best, const Result &now) {
      if (now.frames_per_second > best.frames_per_second) best = now;
    };
    keep(plain, run(options, "fakesink sync=false", 0));
    keep(lent,
         run(options, "cudacampool name=pool slots=8 ! cudacamsink name=sink", options.readers));
  }
  std::printf(
      "{\"cameras\": %u, \"readers\": %u, \"decoder\": \"%s\", \"fakesink-fps\": %.1f, "
      "\"lent-fps\": %.1f, \"ratio\": %.4f, \"frames\": %llu, \"leases\": %llu, \"dropped\": "
      "%llu}\n",
      options.cameras, options.readers, options.decoder.c_str(), plain.frames_per_second,
      lent.frames_per_second, lent.frames_per_second / plain.frames_per_second, lent.frames,
      lent.leases, lent.dropped);
  return 0;
}
