// SPDX-License-Identifier: LGPL-2.1-or-later
/// outage [OPTION]...: what one camera's outages cost it and the others, as JSON on stdout.
///
///   quiet   cudacamsrc ! cudacampool ! cudacamsink, and no outage
///   kept    the same with outages: connections are replaced, decoders stay
///   stock   rtspsrc ! rtph264depay ! h264parse ! DECODER ! fakesink, as applications do it: at EOS
///           or an error the whole pipeline goes to NULL and back to PLAYING
///
/// One camera's connections are closed (FIN) again and again; it takes new ones at once. "noticed"
/// is how often it was connected to anew; a variant in which that never happened is an error.
#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/ptr.hpp"
#include "camera-options.hpp"
#include "camera-process.hpp"
#include "command-line.hpp"
#include "percentiles.hpp"
#include "shared-context.hpp"
#include "statistics.hpp"

namespace {

using namespace cudacam;
using Clock = std::chrono::steady_clock;
using Times = std::vector<double>;  // seconds

constexpr auto kPoll = std::chrono::milliseconds(5);
constexpr double kLongestStart = 60;

struct Options {
  test::CameraOptions cameras{16, 1920, 1080, 25};
  double seconds = 30;  // for each variant
  double every = 6;     // longer than frames must flow for a connection to have been good
  std::string decoder = "nvh264dec";
  std::vector<std::string> variants = {"quiet", "kept", "stock"};
};

double between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// One camera's pipeline, and when its frames came.
class Pipeline {
 public:
  Pipeline(const std::string &variant, const std::string &url, const Options &options)
      : stock_(variant == "stock") {
    const bool on_gpu = options.decoder.rfind("nv", 0) == 0;
    const std::string raw = on_gpu ? "video/x-raw(memory:CUDAMemory)" : "video/x-raw";
    const std::string launch =
        stock_ ? "rtspsrc name=camera protocols=tcp latency=200 location=" + url +
                     " rtph264depay name=depay ! h264parse ! " + options.decoder + " ! " + raw +
                     " ! fakesink name=end sync=false enable-last-sample=false"
               : "cudacamsrc name=camera location=" + url + " decoder=" + options.decoder +
                     " ! cudacampool ! cudacamsink name=end";
    GError *raw_error = nullptr;
    pipeline_ = sink(gst_parse_launch(launch.c_str(), &raw_error));
    if (const ErrorPtr error(raw_error); error) throw std::runtime_error(error->message);
    test::share_context(pipeline_.get());
    camera_ = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "camera"));
    if (stock_) {  // its pads come and go; a link in the launch line is made only once
      depay_ = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "depay"));
      g_signal_connect(camera_.get(), "pad-added", G_CALLBACK(link), depay_.get());
    }
    const auto end = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "end"));
    const auto pad = adopt(gst_element_get_static_pad(end.get(), "sink"));
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, note, this, nullptr);
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
  }
  ~Pipeline() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }
  Pipeline(const Pipeline &) = delete;
  Pipeline &operator=(const Pipeline &) = delete;

  /// What the application does in its main loop. Throws when a pipeline of ours ended.
  void attend() {
    const auto bus = adopt(gst_element_get_bus(pipeline_.get()));
    const MessagePtr message(
        gst_bus_pop_filtered(bus.get(), GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
    if (!message) return;
    if (!stock_) throw std::runtime_error("a pipeline ended");
    ++restarts_;
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
  }

  /// How often it went to its camera again.
  std::uint64_t returns() const {
    return stock_ ? restarts_ : test::number(camera_.get(), "connections") - 1;
  }

  std::vector<Clock::time_point> frames() const {
    const std::lock_guard guard(lock_);
    return frames_;
  }

 private:
  static GstPadProbeReturn note(GstPad *, GstPadProbeInfo *, gpointer user_data) {
    auto *self = static_cast<Pipeline *>(user_data);
    const std::lock_guard guard(self->lock_);
    self->frames_.push_back(Clock::now());
    return GST_PAD_PROBE_OK;
  }

  static void link(GstElement *, GstPad *pad, GstElement *depay) {
    const auto target = adopt(gst_element_get_static_pad(depay, "sink"));
    gst_pad_link(pad, target.get());
  }

  const bool stock_;
  ObjectPtr<GstElement> pipeline_, camera_, depay_;
  std::uint64_t restarts_ = 0;
  mutable std::mutex lock_;  // guards the next
  std::vector<Clock::time_point> frames_;
};

Times intervals(const std::vector<Clock::time_point> &frames, Clock::time_point begin,
                Clock::time_point end) {
  Times result;
  for (std::size_t i = 1; i < frames.size(); ++i)
    if (frames[i - 1] >= begin && frames[i] <= end)
      result.push_back(between(frames[i - 1], frames[i]));
  return result;
}

/// The longest wait for a frame that began between the two, or with the last frame before; one that
/// began with the last frame before the end belongs to what comes then.
double longest_wait(const std::vector<Clock::time_point> &frames, Clock::time_point begin,
                    Clock::time_point end) {
  constexpr double kFrame = 0.1;
  double longest = 0;
  for (std::size_t i = 1; i < frames.size(); ++i)
    if (frames[i] > begin && between(frames[i - 1], begin) < kFrame &&
        between(frames[i - 1], end) >= kFrame)
      longest = std::max(longest, between(frames[i - 1], frames[i]));
  return longest;
}

nlohmann::json summary(Times times) {
  return nlohmann::json::parse(test::summary(std::move(times), 6, {"p50", "max"}));
}

nlohmann::json measure(const std::string &variant, const Options &options) {
  std::vector<std::unique_ptr<test::CameraProcess>> cameras;
  for (int i = 0; i < options.cameras.count; ++i) {
    cameras.push_back(
        std::make_unique<test::CameraProcess>(test::find_testcam(), options.cameras.words()));
    cameras.back()->start();
  }
  std::vector<std::unique_ptr<Pipeline>> pipelines;
  for (const auto &camera : cameras) {
    camera->wait_until_ready();
    pipelines.push_back(std::make_unique<Pipeline>(variant, camera->url(), options));
  }
  const auto attend_for = [&](double seconds, auto &&done) {
    const auto begin = Clock::now();
    while (between(begin, Clock::now()) < seconds && !done()) {
      for (const auto &pipeline : pipelines) pipeline->attend();
      std::this_thread::sleep_for(kPoll);
    }
    return between(begin, Clock::now()) < seconds;
  };
  const auto never = [] { return false; };
  if (!attend_for(kLongestStart, [&] {
        return std::all_of(pipelines.begin(), pipelines.end(),
                           [](const auto &pipeline) { return !pipeline->frames().empty(); });
      }))
    throw std::runtime_error("a camera gives no frame");
  attend_for(options.every, never);

  std::vector<Clock::time_point> outages;
  const auto returns_before = pipelines[0]->returns();
  const auto begin = Clock::now();
  while (between(begin, Clock::now()) < options.seconds) {
    outages.push_back(Clock::now());
    if (variant != "quiet") cameras[0]->command("close");
    attend_for(options.every, never);
  }
  const auto end = Clock::now();
  outages.push_back(end);

  Times waits, others;
  const auto of_victim = pipelines[0]->frames();
  for (std::size_t i = 0; i + 1 < outages.size(); ++i)
    waits.push_back(longest_wait(of_victim, outages[i], outages[i + 1]));
  for (std::size_t i = 1; i < pipelines.size(); ++i)
    for (const double interval : intervals(pipelines[i]->frames(), begin, end))
      others.push_back(interval);
  waits.erase(std::remove(waits.begin(), waits.end(), 0.0), waits.end());
  const auto noticed = pipelines[0]->returns() - returns_before;
  if ((variant == "quiet") != (noticed == 0))
    throw std::runtime_error(variant + ": the camera was connected to anew " +
                             std::to_string(noticed) + " times");
  if (waits.empty() || (others.empty() && pipelines.size() > 1))
    throw std::runtime_error(variant + ": no frames came");
  return {{"variant", variant},
          {"outages", variant == "quiet" ? 0 : outages.size() - 1},
          {"noticed", noticed},
          // An outage that had not ended at the next one is part of that one.
          {"longest-wait-at-outage", summary(waits)},
          {"intervals-of-others", summary(others)}};
}

Options parse(int argc, char **argv) {
  Options options;
  test::CommandLine line("an outage, and what the others notice");
  options.cameras.add_to(line);
  line.add("seconds", options.seconds, "For each variant (default 30)");
  line.add("every", options.every, "Seconds from outage to outage (default 6)");
  line.add("decoder", options.decoder, "Which (default nvh264dec)", "NAME");
  line.parse(argc, argv);
  options.cameras.check();
  if (options.seconds <= 0 || options.every <= 0)
    throw std::runtime_error("--seconds and --every want more than 0");
  return options;
}

}  // namespace

int main(int argc, char **argv) {
  return test::run_program("outage", [&] {
    const Options options = parse(argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    if (!adopt(gst_element_factory_find(options.decoder.c_str())))
      throw test::NotHere("no " + options.decoder + " here");
    nlohmann::json result = options.cameras.to_json();
    result.update(
        nlohmann::json{{"every", options.every}, {"decoder", options.decoder}, {"unit", "s"}});
    for (const std::string &variant : options.variants)
      result["variants"].push_back(measure(variant, options));
    std::printf("%s\n", result.dump(2).c_str());
    return 0;
  });
}
