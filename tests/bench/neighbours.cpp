// SPDX-License-Identifier: LGPL-2.1-or-later
#include <map>
#include <memory>
#include <stdexcept>
#include <thread>

#include "gpu-delays.hpp"
#include "reconnect-bench.hpp"
#include "shared-context.hpp"
#include "statistics.hpp"
#include "test-camera.hpp"

namespace cudacam::bench {
namespace {

using test::TestCamera;
using test::TestCameraOptions;

/// Of all neighbours together, in milliseconds.
struct Measured {
  Milliseconds intervals, inside;
  GpuDelays::Times copies, launches;
  std::string error;
};

void append(Milliseconds &to, Milliseconds &from) {
  to.insert(to.end(), from.begin(), from.end());
  from.clear();
}

void append(GpuDelays::Times &to, GpuDelays::Times &from) {
  append(to.submitted, from.submitted);
  append(to.completed, from.completed);
  append(to.on_gpu, from.on_gpu);
}

std::string summary_of(const GpuDelays::Times &times) {
  if (times.completed.empty()) return "null";
  return "{\"submitted\": " + summary(times.submitted) +
         ", \"completed\": " + summary(times.completed) + ", \"on_gpu\": " + summary(times.on_gpu) +
         "}";
}

/// One of the fifteen: when its frames come, and how long each picture was in the decoder.
class Neighbour {
 public:
  explicit Neighbour(const std::string &location)
      : pipeline_("cudacamsrc name=camera location=" + location +
                  " ! cudacampool ! fakesink name=sink sync=false") {
    test::share_context(pipeline_.get());
    watch_buffers(pipeline_, "sink", first_, false);
    pipeline_.play();
    first_.wait();
    const auto decoder = pipeline_.element("decoder");
    const auto input = adopt(gst_element_get_static_pad(decoder.get(), "sink"));
    const auto output = adopt(gst_element_get_static_pad(pipeline_.element("sink").get(), "sink"));
    gst_pad_add_probe(input.get(), GST_PAD_PROBE_TYPE_BUFFER, on_input, this, nullptr);
    gst_pad_add_probe(output.get(), GST_PAD_PROBE_TYPE_BUFFER, on_output, this, nullptr);
  }
  /// Adds what was measured since the last call.
  void take(Measured &to) {
    std::lock_guard lock(mutex_);
    append(to.intervals, intervals_);
    append(to.inside, inside_);
    auto work = delays_.work();
    append(to.copies, work.copies);
    append(to.launches, work.launches);
    if (to.error.empty()) to.error = delays_.error();
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
    if (entered != self->entered_.end()) {
      self->inside_.push_back(milliseconds(now - entered->second));
      self->entered_.erase(self->entered_.begin(), std::next(entered));
    }
    self->delays_.take(GST_PAD_PROBE_INFO_BUFFER(info));
    return GST_PAD_PROBE_OK;
  }

  Moment first_;
  std::mutex mutex_;  // guards what follows, but the pipeline
  Milliseconds intervals_, inside_;
  std::optional<Clock::time_point> latest_;
  std::map<GstClockTime, Clock::time_point> entered_;
  GpuDelays delays_;
  Pipeline pipeline_;  // last: its threads use the others
};

}  // namespace

int measure_neighbours(unsigned seconds, int width, int height) {
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
  test::share_context(restless.get());
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
    Measured earlier, measured;
    for (auto &neighbour : neighbours) neighbour->take(earlier);
    const auto connections_before = test::number(source.get(), "connections");
    const auto decoders_before = test::number(source.get(), "decoders");
    // The other two are there to compare: a third of the time is enough of them.
    const auto length = load == Load::kept ? seconds : std::max(1u, seconds / 3);
    for (unsigned second = 0; second < length; second++) {
      // The best decoder by its name and without one: each change asks for a new one of that kind.
      if (load == Load::made_anew)
        g_object_set(source.get(), "decoder", second % 2 ? best : "", nullptr);
      if (load != Load::quiet) g_signal_emit_by_name(source.get(), "reconnect");
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    for (auto &neighbour : neighbours) neighbour->take(measured);
    if (!measured.error.empty()) throw std::runtime_error(measured.error);
    const auto connections = test::number(source.get(), "connections");
    const auto decoders = test::number(source.get(), "decoders");
    const char *name = load == Load::quiet  ? "quiet"
                       : load == Load::kept ? "decoder_kept"
                                            : "decoder_made_anew";
    // A reconnect may take longer than a second; that half of them happened shows that they do.
    const auto expected = load == Load::quiet ? 0 : std::max(1u, length / 2);
    const auto new_decoders = load == Load::made_anew ? expected : 0;
    if (connections - connections_before < expected || decoders - decoders_before < new_decoders ||
        (load != Load::made_anew && decoders != decoders_before) || measured.intervals.empty())
      throw std::runtime_error(std::string(name) + ": " +
                               std::to_string(connections - connections_before) +
                               " connections and " + std::to_string(decoders - decoders_before) +
                               " decoders were new in " + std::to_string(length) + " s");
    text += std::string(text.empty() ? "" : ", ") + "\"" + name +
            "\": {\"seconds\": " + std::to_string(length) +
            ", \"interval_ms\": " + summary(measured.intervals) +
            ", \"in_decoder_ms\": " + summary(measured.inside) +
            ", \"copy_ms\": " + summary_of(measured.copies) +
            ", \"launch_ms\": " + summary_of(measured.launches) +
            ", \"connections_so_far\": " + std::to_string(connections) +
            ", \"decoders_so_far\": " + std::to_string(decoders) + "}";
  }
  std::printf("{\"neighbours\": {\"decoder\": \"%s\", %s}}\n", best, text.c_str());
  return 0;
}

}  // namespace cudacam::bench
