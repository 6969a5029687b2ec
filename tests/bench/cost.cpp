// SPDX-License-Identifier: LGPL-2.1-or-later
/// cost [OPTION]...: what cudacampool costs the CPU for each frame, as JSON on stdout.
///
///   stock   nvh264dec ! fakesink, with the decoder's own buffer pool
///   pool    nvh264dec ! cudacampool ! fakesink, the decoder in our slots, with our frame meta
///
/// Of both, only what differs is measured: the buffer pool's acquire, and the chain function behind
/// the decoder, in which the frame is passed on, taken by fakesink and released. The difference is
/// what our pool, slots, fences and meta cost; the goal is 5 us.
///
///   thread-us      CPU time of the thread inside these calls, us a frame: the median of the
///   rounds,
///                  which take turns. Includes twice reading the clock, which the difference does
///                  not
///   process-us     CPU time of the whole process, decoding included
///   instructions   of these calls, counted by callgrind on the simulated GPU, by whose they are.
///   The
///                  simulated driver's own are not what a real one takes, and are named apart
#include <gst/gst.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "clip.hpp"
#include "command-line.hpp"
#include "frame-path.hpp"
#include "instructions.hpp"
#include "machine.hpp"
#include "shared-context.hpp"
#include "simulated-gpu.hpp"

namespace {

using namespace cudacam;
using bench::Clip;
using bench::FramePath;

constexpr int kFilm = 30;    // frames
constexpr int kWarmUp = 30;  // of a run
constexpr double kGoal = 5;  // us

struct Options {
  int frames = 2000, rounds = 7, width = 1920, height = 1080;
  int counted = 60;  // frames under callgrind
  std::string only;  // run this variant once and say nothing: for callgrind
};

double process_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval &time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

struct Cost {
  double thread, process;  // us a frame
};

/// `learning`: before the buffer pools' types are known.
Cost run(const std::string &variant, const Options &options, const Clip &clip,
         bool learning = false) {
  const bool pool = variant == "pool";
  const std::string launch =
      std::string(
          "appsrc name=source ! h264parse ! nvh264dec name=decoder ! "
          "video/x-raw(memory:CUDAMemory) ! ") +
      (pool ? "cudacampool name=watched ! fakesink" : "fakesink name=watched") +
      " sync=false enable-last-sample=false";
  GError *raw_error = nullptr;
  const auto pipeline = sink(gst_parse_launch(launch.c_str(), &raw_error));
  if (const ErrorPtr error(raw_error); error) throw std::runtime_error(error->message);
  const auto source = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "source"));
  const auto watched = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "watched"));
  bench::ClipPlayer player(source.get(), clip);
  test::share_context(pipeline.get());
  FramePath::watch(watched.get(), kWarmUp, static_cast<std::uint64_t>(options.frames));
  const auto start = process_us();
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const bool came = FramePath::await();
  const auto process = process_us() - start;
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  if (!came) throw std::runtime_error(variant + " gives no frames");
  // A decoder acquires a few frames before the first one comes out.
  if (!learning && 2 * FramePath::acquires() < FramePath::frames())
    throw std::runtime_error(variant + ": the buffer pool's acquire was not measured");
  const auto thread = std::chrono::duration<double, std::micro>(FramePath::time()).count();
  return {thread / options.frames, process / (options.frames + kWarmUp)};
}

/// The decoder's own, and ours. Their types are known once there was one.
void watch_pools() {
  for (const char *name : {"GstCudaBufferPool", "GstCudaCamCudaSlotPool"})
    FramePath::watch_pools(g_type_from_name(name));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

nlohmann::json rounded(double stock, double pool, double difference) {
  const auto two = [](double value) { return std::round(value * 100) / 100; };
  return {{"stock", two(stock)}, {"pool", two(pool)}, {"pool-minus-stock", two(difference)}};
}

nlohmann::json times(const Options &options, const Clip &clip) {
  std::vector<double> thread[3], process[3];  // stock, pool, the difference
  for (int round = 0; round <= options.rounds; ++round) {
    const bool learning = round == 0;
    const auto stock = run("stock", options, clip, learning);
    const auto pool = run("pool", options, clip, learning);
    watch_pools();  // the first round is to warm up
    if (round == 0) continue;
    const double threads[] = {stock.thread, pool.thread, pool.thread - stock.thread};
    const double processes[] = {stock.process, pool.process, pool.process - stock.process};
    for (int i = 0; i < 3; ++i) {
      thread[i].push_back(threads[i]);
      process[i].push_back(processes[i]);
    }
  }
  return {{"thread-us", rounded(median(thread[0]), median(thread[1]), median(thread[2]))},
          {"process-us", rounded(median(process[0]), median(process[1]), median(process[2]))}};
}

std::string owner(const std::string &library) {
  if (library.find("gstcudacam") != std::string::npos) return "cudacam";
  if (library.find("libcuda.so") == 0 || library.find("libnvcuvid") == 0) return "simulated-driver";
  if (library.find("libgst") == 0) return "gstreamer";
  return "glib-and-c";
}

nlohmann::json instructions(const Options &options) {
  std::map<std::string, std::map<std::string, double>> counts;  // by owner, by variant
  for (const char *variant : {"stock", "pool"}) {
    const auto libraries = bench::count_instructions({std::string("--only=") + variant,
                                                      "--frames=" + std::to_string(options.counted),
                                                      "--width=320", "--height=192"});
    for (const auto &[library, count] : libraries) {
      const auto each = count / options.counted;
      counts[owner(library)][variant] += each;
      counts["all"][variant] += each;
      if (owner(library) != "simulated-driver") counts["without-driver"][variant] += each;
    }
  }
  nlohmann::json rows;
  for (auto &[name, by_variant] : counts) {
    const double stock = std::round(by_variant["stock"]), pool = std::round(by_variant["pool"]);
    rows[name] = {{"stock", stock}, {"pool", pool}, {"pool-minus-stock", pool - stock}};
  }
  return rows;
}

Options parse(int argc, char **argv) {
  Options options;
  test::CommandLine line("what cudacampool costs the CPU for each frame");
  line.add("frames", options.frames, "In each run (default 2000)");
  line.add("rounds", options.rounds, "How often (default 7)");
  line.add("width", options.width, "Of the pictures (default 1920)");
  line.add("height", options.height, "Of the pictures (default 1080)");
  line.add("counted", options.counted, "Frames whose instructions are counted (default 60)");
  line.add("only", options.only, "One run of one variant, and no figures", "NAME");
  line.parse(argc, argv);
  return options;
}

}  // namespace

int main(int argc, char **argv) {
  return test::run_program("cost", [&] {
    const Options options = parse(argc, argv);
    if (!adopt(gst_element_factory_find("nvh264dec"))) throw test::NotHere("no nvh264dec here");
    const Clip clip = bench::encode_clip(options.width, options.height, kFilm);
    if (!options.only.empty()) {
      Options first = options;  // to load what is loaded once
      first.frames = 0;
      run(options.only, first, clip, true);
      watch_pools();
      run(options.only, options, clip);
      return 0;
    }
    nlohmann::json figures = {{"decoder", "nvh264dec"},   {"width", options.width},
                              {"height", options.height}, {"frames", options.frames},
                              {"rounds", options.rounds}, {"goal-us", kGoal}};
    figures.update(times(options, clip));
    if (!test::gpu_is_simulated()) {
      figures["instructions-not-counted"] = "valgrind runs programs on the simulated GPU only";
    } else {
      try {
        figures["instructions"] = instructions(options);
      } catch (const std::runtime_error &error) {
        figures["instructions-not-counted"] = error.what();
      }
    }
    std::printf("%s\n", figures.dump(2).c_str());
    return 0;
  });
}
