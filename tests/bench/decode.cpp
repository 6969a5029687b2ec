// SPDX-License-Identifier: LGPL-2.1-or-later
/// decode [OPTION]...: frames a second of many streams decoded at once, as JSON on stdout.
///
///   stock     DECODER ! fakesink
///   pool      DECODER ! cudacampool ! fakesink: frames in memory that is ours
///   sink      DECODER ! cudacampool ! cudacamsink, with 4 readers that lease every frame they can
///   copied    as pool, but the decoder's memory is not ours: one copy into a slot
///   own-copy  what programs do by hand: for each frame cuMemAllocPitch, copy, synchronise, and
///             cuMemFree of the one before
///
/// The variants run in turns, so that whatever else changes on the machine changes for all. A
/// variant in which what it is about did not happen (leases, copies, frames in slots) is an error.
#include <gst/gst.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "clip.hpp"
#include "command-line.hpp"
#include "gstcudacam.h"
#include "own-copy.hpp"
#include "shared-context.hpp"
#include "statistics.hpp"

namespace {

using namespace cudacam;
using bench::Clip;
using bench::ClipPlayer;
using bench::OwnCopy;
using Clock = std::chrono::steady_clock;

constexpr int kReaders = 4;
constexpr int kFilm = 60;  // frames
constexpr double kLongestStart = 60;

struct Options {
  std::vector<int> streams = {1, 16, 48};
  std::vector<std::string> variants = {"stock", "pool", "sink", "copied", "own-copy"};
  double seconds = 3;
  double warm_up = 1;
  int rounds = 2;
  int width = 1920, height = 1080;
  std::string decoder = "nvh264dec";
};

class Stream {
 public:
  Stream(const std::string &variant, const Options &options, const Clip &clip) {
    const bool on_gpu = options.decoder.rfind("nv", 0) == 0;
    const std::string raw = on_gpu ? "video/x-raw(memory:CUDAMemory)" : "video/x-raw";
    std::string launch = "appsrc name=source ! h264parse ! " + options.decoder + " ! ";
    if (variant == "stock" || variant == "own-copy")
      launch += raw + " ! ";
    else if (variant == "copied")
      launch += "identity drop-allocation=true ! " + raw + " ! cudacampool name=pool ! ";
    else
      launch += raw + " ! cudacampool name=pool slots=" + (variant == "sink" ? "8" : "4") + " ! ";
    launch += variant == "sink" ? "cudacamsink name=end statistics-interval=0"
                                : "fakesink name=end sync=false enable-last-sample=false";
    GError *raw_error = nullptr;
    pipeline_ = sink(gst_parse_launch(launch.c_str(), &raw_error));
    if (const ErrorPtr error(raw_error); error) throw std::runtime_error(error->message);
    const auto source = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "source"));
    end_ = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "end"));
    pool_ = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "pool"));
    player_ = std::make_unique<ClipPlayer>(source.get(), clip);
    if (variant == "own-copy") own_copy_ = std::make_unique<OwnCopy>();
    const auto pad = adopt(gst_element_get_static_pad(end_.get(), "sink"));
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, count, this, nullptr);
    test::share_context(pipeline_.get());
    reading_ = variant == "sink";
  }
  ~Stream() {
    stop_ = true;
    for (std::thread &reader : readers_) reader.join();
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;

  void play() {
    if (gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
      throw std::runtime_error("a pipeline does not start");
    for (int i = 0; reading_ && i < kReaders; ++i)
      readers_.emplace_back([this, name = "reader-" + std::to_string(i)] { read(name); });
  }

  /// Throws when this did not do what its variant is about.
  void expect_variant(const std::string &variant) const {
    const auto expect = [&](bool holds, const char *what) {
      if (!holds) throw std::runtime_error(variant + ": " + what);
    };
    if (own_copy_) expect(own_copy_->copies() > 0, "no frame was copied by hand");
    if (reading_) expect(leases_ > 0, "no frame was leased");
    if (!pool_) return;
    const auto frames = test::number(pool_.get(), "frames");
    const auto copied = test::number(pool_.get(), "copied");
    if (variant == "copied")
      expect(copied > frames / 2, "the decoder wrote into slots");
    else
      expect(copied <= frames / 2, "the decoder did not write into slots");
  }

  std::uint64_t frames() const { return frames_; }
  std::uint64_t leases() const { return leases_; }

  void check() const {
    const auto bus = adopt(gst_element_get_bus(pipeline_.get()));
    const MessagePtr message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
    if (!message) return;
    GError *raw_error = nullptr;
    gst_message_parse_error(message.get(), &raw_error, nullptr);
    throw std::runtime_error(ErrorPtr(raw_error)->message);
  }

 private:
  static GstPadProbeReturn count(GstPad *pad, GstPadProbeInfo *info, gpointer user_data) {
    auto *self = static_cast<Stream *>(user_data);
    if (self->own_copy_) self->own_copy_->take(pad, GST_PAD_PROBE_INFO_BUFFER(info));
    self->frames_.fetch_add(1, std::memory_order_relaxed);
    return GST_PAD_PROBE_OK;
  }

  void read(const std::string &holder) {
    while (!stop_) {
      auto *lease = gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(end_.get()), holder.c_str(),
                                                100 * GST_MSECOND, nullptr);
      if (!lease) continue;
      gst_cuda_cam_lease_unref(lease);
      leases_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  ObjectPtr<GstElement> pipeline_, end_, pool_;
  std::unique_ptr<ClipPlayer> player_;
  std::unique_ptr<OwnCopy> own_copy_;
  std::atomic<std::uint64_t> frames_{0}, leases_{0};
  std::atomic<bool> stop_{false};
  bool reading_ = false;
  std::vector<std::thread> readers_;
};

using Streams = std::vector<std::unique_ptr<Stream>>;

std::uint64_t sum(const Streams &streams, std::uint64_t (Stream::*count)() const) {
  std::uint64_t total = 0;
  for (const auto &stream : streams) total += (*stream.*count)();
  return total;
}

void pass(double seconds, const Streams &streams) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  for (const auto &stream : streams) stream->check();
}

struct Measured {
  double frames, leases;  // a second, all streams together
};

Measured measure(const std::string &variant, int count, const Options &options, const Clip &clip) {
  Streams streams;
  for (int i = 0; i < count; ++i)
    streams.push_back(std::make_unique<Stream>(variant, options, clip));
  for (const auto &stream : streams) stream->play();
  const auto begun = Clock::now();
  const auto waited = [&] { return std::chrono::duration<double>(Clock::now() - begun).count(); };
  while (!std::all_of(streams.begin(), streams.end(),
                      [](const auto &stream) { return stream->frames() > 0; })) {
    if (waited() > kLongestStart) throw std::runtime_error("a stream gives no frame");
    pass(0.05, streams);
  }
  pass(options.warm_up, streams);
  const auto start = Clock::now();
  std::vector<std::uint64_t> before;
  for (const auto &stream : streams) before.push_back(stream->frames());
  const auto frames = std::accumulate(before.begin(), before.end(), std::uint64_t{0});
  const auto leases = sum(streams, &Stream::leases);
  pass(options.seconds, streams);
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  const Measured measured = {double(sum(streams, &Stream::frames) - frames) / took,
                             double(sum(streams, &Stream::leases) - leases) / took};
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (streams[i]->frames() == before[i]) throw std::runtime_error(variant + ": a stream stopped");
    streams[i]->expect_variant(variant);
  }
  return measured;
}

nlohmann::json run(const Options &options) {
  const Clip clip = bench::encode_clip(options.width, options.height, kFilm);
  nlohmann::json rows = nlohmann::json::array();
  for (const int streams : options.streams) {
    std::map<std::string, std::vector<double>> frames, leases;
    for (int round = 0; round < options.rounds; ++round)
      for (const std::string &variant : options.variants) {
        const Measured measured = measure(variant, streams, options, clip);
        frames[variant].push_back(measured.frames);
        leases[variant].push_back(measured.leases);
        std::fprintf(stderr, "%2d streams, %-8s %8.0f frames/s\n", streams, variant.c_str(),
                     measured.frames);
      }
    for (const std::string &variant : options.variants) {
      rows.push_back({{"streams", streams}, {"variant", variant}, {"frames", frames[variant]}});
      if (variant == "sink") rows.back()["leases"] = leases[variant];
    }
  }
  return {{"decoder", options.decoder},  {"width", options.width},
          {"height", options.height},    {"seconds", options.seconds},
          {"readers-of-sink", kReaders}, {"frames-per-second", std::move(rows)}};
}

std::vector<std::string> split(const std::string &text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Options parse(int argc, char **argv) {
  Options options;
  std::string streams, variants;
  test::CommandLine line("frames a second, beside stock elements");
  line.add("streams", streams, "How many at once (default 1,16,48)", "N,...");
  line.add("variants", variants, "Which (default all)", "NAME,...");
  line.add("seconds", options.seconds, "For each (default 3)");
  line.add("warm-up", options.warm_up, "Before each (default 1)");
  line.add("rounds", options.rounds, "How often (default 2)");
  line.add("width", options.width, "Of the pictures (default 1920)");
  line.add("height", options.height, "Of the pictures (default 1080)");
  line.add("decoder", options.decoder, "Which (default nvh264dec)", "NAME");
  line.parse(argc, argv);
  if (!streams.empty()) {
    options.streams.clear();
    for (const std::string &count : split(streams)) options.streams.push_back(std::stoi(count));
  }
  if (!variants.empty()) options.variants = split(variants);
  return options;
}

}  // namespace

int main(int argc, char **argv) {
  return test::run_program("decode", [&] {
    const Options options = parse(argc, argv);
    if (!adopt(gst_element_factory_find(options.decoder.c_str())))
      throw test::NotHere("no " + options.decoder + " here");
    std::printf("%s\n", run(options).dump(2).c_str());
    return 0;
  });
}
