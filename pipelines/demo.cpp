// SPDX-License-Identifier: LGPL-2.1-or-later
/// The demo that ./pipelines/demo runs: cameras fail and come back while readers keep reading.
#include <gst/gst.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <thread>

#include "camera-pipeline.hpp"
#include "camera-process.hpp"
#include "camera-record.hpp"
#include "command-line.hpp"
#include "display.hpp"
#include "frame-reader.hpp"
#include "machine.hpp"
#include "outage-plan.hpp"
#include "show.hpp"
#include "simulated-gpu.hpp"

namespace {

using namespace cudacam::demo;
using cudacam::test::CameraProcess;
using cudacam::test::catch_interrupts;
using cudacam::test::CommandLine;
using cudacam::test::do_without_gpu;
using cudacam::test::find_testcam;
using cudacam::test::gpu_is_simulated;
using cudacam::test::interrupted;
using cudacam::test::simulated_violations;
using std::chrono::milliseconds;

constexpr int kDefaultSeconds = 30;
constexpr int kDefaultCameras = 2;
constexpr auto kTick = milliseconds(100);
constexpr double kSampleEvery = 0.2;  // seconds
constexpr double kLongestStart = 30;  // seconds until all cameras must have shown a frame
constexpr double kLongestEnd = 30;    // for cameras that are not back when the time is over

struct Options {
  std::vector<std::string> locations;  // the user's own cameras; empty: test cameras
  int seconds = kDefaultSeconds;
  int cameras = kDefaultCameras;
  std::string codec = "h264";
  bool nvsim = false;  // only on the simulated GPU
  bool cpu = false;    // without any GPU
  std::string log;     // a file; empty: none
};

/// One camera with all that belongs to it; members end in reverse order, readers first.
struct Camera {
  std::string name;
  bool numbered;
  std::unique_ptr<CameraProcess> process;  // null for the user's own
  CameraRecord record;
  std::unique_ptr<CameraPipeline> pipeline;
  std::vector<std::unique_ptr<FrameReader>> readers;
  std::uint64_t frames_before = 0;  // for the frame rate, with the next
  Clock::time_point measured{};
  double fps = 0;
};
using Cameras = std::vector<std::unique_ptr<Camera>>;

Cameras make_cameras(const Options &options) {
  Cameras cameras;
  const size_t count =
      options.locations.empty() ? static_cast<size_t>(options.cameras) : options.locations.size();
  for (size_t i = 0; i < count; ++i) {
    auto camera = std::make_unique<Camera>();
    camera->name = "camera-" + std::to_string(i + 1);
    camera->numbered = options.locations.empty();
    if (camera->numbered) {
      camera->process = std::make_unique<CameraProcess>(
          find_testcam(), std::vector<std::string>{"--codec", options.codec});
      camera->process->start();
    }
    cameras.push_back(std::move(camera));
  }
  for (size_t i = 0; i < count; ++i) {
    Camera &camera = *cameras[i];
    if (camera.process) camera.process->wait_until_ready();
    camera.pipeline = std::make_unique<CameraPipeline>(
        camera.name, camera.process ? camera.process->url() : options.locations[i]);
  }
  return cameras;
}

// Two readers, one quick and one too slow to see every frame.
void start(Camera &camera) {
  camera.pipeline->play();
  for (const auto &[holder, work] : {std::pair{"quick", 5}, {"slow", 100}})
    camera.readers.push_back(std::make_unique<FrameReader>(
        camera.pipeline->lender(), camera.record,
        FrameReader::Settings{holder, milliseconds(work), camera.numbered}));
}

LiveLine live_line(Camera &camera) {
  const auto now = Clock::now();
  LiveLine line;
  line.camera = camera.name;
  line.pipeline = camera.pipeline->status();
  if (seconds_between(camera.measured, now) >= 1) {
    const std::uint64_t frames = line.pipeline.frames;
    if (camera.measured != Clock::time_point{})
      camera.fps = static_cast<double>(frames - camera.frames_before) /
                   seconds_between(camera.measured, now);
    camera.frames_before = frames;
    camera.measured = now;
  }
  line.fps = camera.fps;
  if (const auto newest = camera.record.newest()) line.newest_age = seconds_between(*newest, now);
  return line;
}

void update(Display &display, double seconds, const Cameras &cameras) {
  std::vector<LiveLine> lines;
  for (const auto &camera : cameras) lines.push_back(live_line(*camera));
  display.update(seconds, lines);
}

bool all_have_frames(const Cameras &cameras) {
  return std::all_of(cameras.begin(), cameras.end(),
                     [](const auto &camera) { return camera->record.newest().has_value(); });
}

bool all_are_back(const Cameras &cameras) {
  return std::all_of(cameras.begin(), cameras.end(),
                     [](const auto &camera) { return camera->record.summary().recovered(); });
}

std::string memory_in_words(bool on_gpu) {
  if (!on_gpu) return "frames in system memory: NOT on a GPU, this is the fallback.";
  if (gpu_is_simulated())
    return "frames in CUDA memory of a simulated GPU: right or wrong as on a real one, not as "
           "fast.";
  return "frames in CUDA memory: runs on the GPU.";
}

void say_where_it_runs(Display &display, const Cameras &cameras) {
  for (const auto &camera : cameras) {
    if (!camera->record.newest()) {
      display.say(camera->name + ": no frame yet.");
      continue;
    }
    const std::string decoder = camera->pipeline->decoder();
    display.say(camera->name + ": decoder " + (decoder.empty() ? "unknown" : decoder) + ", " +
                memory_in_words(camera->pipeline->frames_on_gpu()));
  }
}

std::vector<Show::Actor> actors(const Cameras &cameras) {
  std::vector<Show::Actor> result;
  for (const auto &camera : cameras)
    result.push_back({camera->name, camera->process.get(), &camera->record});
  return result;
}

void sample(cudacam::test::RunLog &log, double seconds, const Cameras &cameras) {
  for (std::size_t i = 0; i < cameras.size(); ++i) {
    const PipelineStatus status = cameras[i]->pipeline->status();
    log.sample(seconds, i, {status.status, status.frames, status.outstanding});
  }
  log.sample(seconds, cudacam::test::usage());
}

/// Runs until the time is over or the user interrupts.
void run(Display &display, const Options &options, const Cameras &cameras,
         cudacam::test::RunLog &log) {
  const auto begin = Clock::now();
  while (!all_have_frames(cameras) && !interrupted()) {
    const double waited = seconds_between(begin, Clock::now());
    update(display, waited, cameras);
    if (waited > std::min<double>(kLongestStart, options.seconds)) break;
    std::this_thread::sleep_for(kTick);
  }
  say_where_it_runs(display, cameras);

  const auto opening = Clock::now();
  const auto now = [&] { return seconds_between(opening, Clock::now()); };
  const auto plan = options.locations.empty() ? plan_outages(cameras.size(), options.seconds)
                                              : std::vector<Outage>{};
  Show show(actors(cameras), plan, log,
            [&](const std::string &text) { display.announce(now(), text); });
  double next_sample = 0;
  // The last outages end before the time does; a busy machine may need longer.
  const auto goes_on = [&] {
    return now() < options.seconds ||
           (!all_are_back(cameras) && now() < options.seconds + kLongestEnd);
  };
  while (goes_on() && !interrupted()) {
    show.advance(now());
    for (const auto &camera : cameras)
      if (const auto end = camera->process ? camera->process->ended() : std::nullopt)
        throw std::runtime_error(camera->name + ": its test camera ended by itself: " + *end);
    update(display, now(), cameras);
    if (now() >= next_sample) {
      sample(log, now(), cameras);
      next_sample += kSampleEvery;
    }
    std::this_thread::sleep_for(kTick);
  }
}

/// What did not hold, in words; empty when all did.
std::vector<std::string> shortcomings(const Options &options, const Cameras &cameras) {
  std::vector<std::string> found;
  for (const auto &camera : cameras) {
    const RecordSummary summary = camera->record.summary();
    const PipelineStatus status = camera->pipeline->status();
    const std::string failure = camera->pipeline->failure();
    if (!failure.empty()) found.push_back(camera->name + ": the pipeline ended: " + failure);
    if (!summary.verified)
      found.push_back(camera->name + ": no frame was verified. " + status.last_error);
    if (options.nvsim && !camera->pipeline->frames_on_gpu())
      found.push_back(camera->name + ": its frames are not on the simulated GPU");
    if (summary.bad) found.push_back(camera->name + ": readers saw bad frames");
    if (!summary.recovered() && !interrupted())
      found.push_back(camera->name + ": new frames came after " +
                      std::to_string(summary.recoveries.size()) + " of " +
                      std::to_string(summary.outages) + " outages");
    if (status.outstanding)
      found.push_back(camera->name + ": leases are out after the readers have ended");
  }
  if (const unsigned violations = simulated_violations())
    found.push_back("The simulated driver reported " + std::to_string(violations) +
                    " violations; they are on stderr.");
  return found;
}

int perform(const Options &options, nlohmann::json machine) {
  Display display;
  const Cameras cameras = make_cameras(options);
  for (const auto &camera : cameras) start(*camera);
  std::vector<std::string> names;
  for (const auto &camera : cameras) names.push_back(camera->name);
  cudacam::test::RunLog log(names);
  run(display, options, cameras, log);
  if (!options.log.empty())
    cudacam::test::write_json(options.log,
                              cudacam::test::describe_run("demo", std::move(machine), log));
  for (const auto &camera : cameras) camera->readers.clear();

  std::vector<TableRow> rows;
  for (const auto &camera : cameras) {
    const RecordSummary summary = camera->record.summary();
    // Nobody but cudacamsrc knows how often the user's own camera went away.
    const auto outages = camera->process ? summary.outages : camera->pipeline->status().outages;
    rows.push_back({camera->name, outages, summary});
  }
  const auto found = shortcomings(options, cameras);
  display.table(rows);
  for (const std::string &shortcoming : found) display.say(shortcoming);
  if (interrupted()) display.say("Interrupted.");
  display.say(found.empty() ? "Everything held." : "It did NOT hold.");
  return found.empty() ? 0 : 1;
}

/// Throws std::runtime_error with a sentence for the user.
Options parse(int argc, char **argv) {
  Options options;
  CommandLine line(
      "cameras fail, readers do not notice",
      "Starts test cameras and one pipeline cudacamsrc ! cudacampool ! cudacamsink for each, with\n"
      "two reading threads that verify every frame; kills, freezes and revives the cameras; ends\n"
      "with a table. The exit status is 0 only if every camera recovered and no frame was bad.\n"
      "With --location the script is yours: unplug the camera and plug it in again.\n"
      "\n"
      "It runs on the NVIDIA GPU where there is one, else on a simulated one (subprojects/nvsim)\n"
      "where the headers of the CUDA Toolkit let that be built, else without.");
  line.add("location", options.locations,
           "Your own camera instead of test cameras; may be repeated", "rtsp://...", 'l');
  line.add("seconds", options.seconds, "How long (default 30)", "N", 's');
  line.add("cameras", options.cameras, "Test cameras (default 2)", "N", 'n');
  line.add("codec", options.codec, "Of the test cameras: h264 (default) or h265", "NAME");
  line.add("nvsim", options.nvsim, "On the simulated GPU, even where there is a real one");
  line.add("cpu", options.cpu, "Without a GPU: software decoders, system memory");
  line.add("log", options.log, "Write what happened there, as JSON for docs/benchmarks/report.py",
           "FILE");
  line.parse(argc, argv);
  if (options.seconds < 1) throw std::runtime_error("--seconds wants 1 or more");
  if (options.cameras < 1) throw std::runtime_error("--cameras wants 1 or more");
  if (options.codec != "h264" && options.codec != "h265")
    throw std::runtime_error("--codec wants h264 or h265");
  if (options.nvsim && options.cpu)
    throw std::runtime_error("--nvsim and --cpu exclude each other");
  if (options.nvsim && !gpu_is_simulated())
    throw std::runtime_error("this process has no simulated GPU: run ./pipelines/demo --nvsim");
  return options;
}

}  // namespace

int main(int argc, char **argv) {
  return cudacam::test::run_program("demo", [&] {
    const Options options = parse(argc, argv);
    if (options.cpu) do_without_gpu();
    catch_interrupts();
    return perform(options, cudacam::test::describe_machine(argc, argv));
  });
}
