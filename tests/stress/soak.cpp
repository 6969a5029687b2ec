// SPDX-License-Identifier: LGPL-2.1-or-later
/// Cameras that fail in rotating ways, and readers that verify every frame on the GPU. See --help.
#include <gst/gst.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <random>
#include <thread>

#include "camera-options.hpp"
#include "command-line.hpp"
#include "machine.hpp"
#include "simulated-gpu.hpp"
#include "soak-camera.hpp"
#include "soak-report.hpp"
#include "usage-watch.hpp"

namespace {

using namespace cudacam::soak;
using cudacam::adopt;
using cudacam::test::CameraOptions;
using cudacam::test::catch_interrupts;
using cudacam::test::CommandLine;
using cudacam::test::do_without_gpu;
using cudacam::test::interrupted;
using cudacam::test::RunLog;
using std::chrono::milliseconds;

constexpr auto kTick = milliseconds(50);
constexpr double kSampleEvery = 1;       // seconds, as the next
constexpr double kLongestStart = 60;     // until all readers must have had a frame
constexpr double kLongestRecovery = 60;  // after the last outage
constexpr double kQuietEnd = 5;          // without new outages
constexpr unsigned kForgets = 3;         // leases, by one reader of each camera

struct Options {
  CameraOptions cameras{4, 640, 360, 25};
  int readers = 4;
  double minutes = 1;
  double outage_every = 2;
  bool forget = false, cpu = false, spoil = false;
  std::string json;

  double seconds() const { return minutes * 60; }
};

using Cameras = std::vector<std::unique_ptr<SoakCamera>>;

std::string name_of(int camera) {
  return "camera-" + std::to_string(camera + 1);
}

/// Adds them to `cameras` one by one, so that those before one that fails are there.
void make_cameras(const Options &options, Cameras &cameras) {
  const std::string kernels = find_kernels();
  for (int i = 0; i < options.cameras.count; ++i) {
    CameraSettings settings;
    settings.name = name_of(i);
    settings.testcam_options = options.cameras.words();
    settings.readers = static_cast<unsigned>(options.readers);
    settings.forgets = options.forget ? kForgets : 0;
    settings.spoils = options.spoil && i == 0;
    settings.kernels = kernels;
    cameras.push_back(std::make_unique<SoakCamera>(std::move(settings)));
  }
  for (const auto &camera : cameras) {
    if (interrupted()) return;
    camera->wait_until_ready();
    camera->play();
  }
}

/// The whole run; what it saw is in `log`, `watch` and in the cameras.
class Run {
 public:
  Run(const Options &options, const Cameras &cameras, RunLog &log, UsageWatch &watch)
      : options_(options),
        cameras_(cameras),
        log_(log),
        watch_(watch),
        plan_(static_cast<std::size_t>(options.cameras.count)) {}

  void perform() {
    start_ = Clock::now();
    if (wait_for(kLongestStart, [&] { return all(&SoakCamera::all_readers_have_frames); })) {
      std::printf("All readers have frames; %g min from now on.\n", options_.minutes);
      std::fflush(stdout);
    }
    next_outage_ = now() + options_.outage_every;
    end_ = now() + options_.seconds();
    while (now() < end_ && !interrupted() && !failed()) step(now() < end_ - kQuietEnd);
    wait_for(kLongestRecovery,
             [&] { return std::none_of(cameras_.begin(), cameras_.end(), is_busy); });
  }

  unsigned outages() const { return outages_; }
  double seconds() const { return now(); }

 private:
  static bool is_busy(const std::unique_ptr<SoakCamera> &camera) { return camera->busy(); }

  double now() const { return seconds_between(start_, Clock::now()); }

  bool all(bool (SoakCamera::*holds)() const) const {
    return std::all_of(cameras_.begin(), cameras_.end(),
                       [&](const auto &camera) { return ((*camera).*holds)(); });
  }

  bool failed() const {
    return std::any_of(cameras_.begin(), cameras_.end(),
                       [](const auto &camera) { return !camera->failure().empty(); });
  }

  /// Returns as soon as `holds`, and whether it does; what does not in time shows in the report.
  template <class Condition>
  bool wait_for(double seconds, Condition holds) {
    const double limit = now() + seconds;
    while (!holds()) {
      if (now() >= limit || interrupted() || failed()) return false;
      step(false);
    }
    return true;
  }

  void step(bool make_trouble) {
    const auto time = Clock::now();
    for (std::size_t i = 0; i < cameras_.size(); ++i)
      if (cameras_[i]->advance(time)) log_.outage_ends(now(), i);
    if (make_trouble && now() >= next_outage_) begin_outage(time);
    if (now() >= next_sample_) sample();
    std::this_thread::sleep_for(kTick);
  }

  void begin_outage(Clock::time_point time) {
    std::vector<bool> busy;
    for (const auto &camera : cameras_) busy.push_back(camera->busy());
    const auto next = plan_.next(busy);
    if (!next) return;  // at the next tick
    next_outage_ += options_.outage_every;
    ++outages_;
    cameras_[next->camera]->begin(next->trouble, time);
    log_.outage_begins(now(), next->camera, to_string(next->trouble));
  }

  void sample() {
    next_sample_ += kSampleEvery;
    for (std::size_t i = 0; i < cameras_.size(); ++i) log_.sample(now(), i, cameras_[i]->sample());
    const auto usage = cudacam::test::usage();
    log_.sample(now(), usage);
    watch_.add(now(), usage);
  }

  const Options &options_;
  const Cameras &cameras_;
  RunLog &log_;
  UsageWatch &watch_;
  TroublePlan plan_;
  Clock::time_point start_ = Clock::now();
  double next_outage_ = 0, next_sample_ = 0, end_ = 0;
  unsigned outages_ = 0;
};

/// Leases that outlived their pipelines: each must still be the frame that it was. Releases half of
/// them, in any order; the others end with the process. Returns how many are not.
unsigned verify_forgotten(std::vector<Forgotten> &forgotten) {
  unsigned changed = 0;
  {
    Examiner examiner(find_kernels());
    for (const Forgotten &one : forgotten)
      if (examiner.look(one.lease.get()).sum != one.look.sum) ++changed;
  }
  std::shuffle(forgotten.begin(), forgotten.end(), std::mt19937(1));
  std::thread([&] { forgotten.resize(forgotten.size() / 2); }).join();
  for (Forgotten &one : forgotten) (void)one.lease.release();
  return changed;
}

/// Whatever throws is a complaint: the rest of what was found is worth no less.
template <class Body>
void attempt(SoakReport &report, Body &&body) {
  try {
    body();
  } catch (const std::exception &failure) {
    report.complaints.push_back(failure.what());
  }
}

/// Ends what is left of the run and reports it.
void finish(const Options &options, Cameras &cameras, SoakReport &report) {
  for (const auto &camera : cameras) report.add(camera->finish());
  std::vector<Forgotten> forgotten;
  for (const auto &camera : cameras) {
    camera->stop_pipeline();
    for (Forgotten &one : camera->take_forgotten()) forgotten.push_back(std::move(one));
  }
  cameras.clear();
  report.forgotten = static_cast<unsigned>(forgotten.size());
  attempt(report, [&] { report.forgotten_changed = verify_forgotten(forgotten); });
  report.violations = cudacam::test::simulated_violations();
  if (report.interrupted) return;
  if (!report.outages) report.complaints.push_back("No camera ever failed: the run was too short.");
  if (options.forget && !report.forgotten)
    report.complaints.push_back("No lease was forgotten: the run was too short.");
}

int perform(const Options &options, nlohmann::json machine) {
  std::vector<std::string> names;
  for (int i = 0; i < options.cameras.count; ++i) names.push_back(name_of(i));
  Cameras cameras;
  RunLog log(names);
  UsageWatch watch;
  Run run(options, cameras, log, watch);
  SoakReport report;
  attempt(report, [&] {
    make_cameras(options, cameras);
    run.perform();
  });
  report.interrupted = interrupted();
  if (report.interrupted) report.complaints.push_back("Interrupted.");
  report.seconds = run.seconds();
  report.outages = run.outages();
  finish(options, cameras, report);
  report.add(watch);

  if (machine["simulated"].get<bool>() && !options.cpu)
    std::printf("simulated, not a measurement\n");
  report.print();
  if (!options.json.empty()) {
    nlohmann::json result = cudacam::test::describe_run("soak", std::move(machine), log);
    result["options"] = options.cameras.to_json();
    result["options"].update(nlohmann::json{{"readers", options.readers},
                                            {"minutes", options.minutes},
                                            {"outage-every", options.outage_every},
                                            {"forget", options.forget},
                                            {"cpu", options.cpu}});
    result["result"] = report.to_json();
    cudacam::test::write_json(options.json, result);
  }
  const bool noticed = report.saw_rewritten() && !report.interrupted;
  return (options.spoil ? noticed : report.held()) ? 0 : 1;
}

/// Frames that a GPU decodes stay there; readers verify them with kernels.
void expect_kernels() {
#ifdef HAVE_CUDA
  const std::filesystem::path kernels = find_kernels();
  if (adopt(gst_element_factory_find("nvh264dec")) && !std::filesystem::exists(kernels))
    throw cudacam::test::NotHere("no " + kernels.filename().string() +
                                 ": there was no nvcc for it");
#endif
}

/// Throws std::runtime_error with a sentence for the user.
Options parse(int argc, char **argv) {
  Options options;
  CommandLine line(
      "cameras fail, readers verify every frame",
      "Starts test cameras as processes and a pipeline cudacamsrc ! cudacampool ! cudacamsink for\n"
      "each. Every reader reads each frame's number at top and bottom and sums up the picture "
      "when\n"
      "it takes the frame and again before it gives it back: by kernels on the GPU, or by the\n"
      "processor where frames are in system memory. Cameras are disconnected, reset, killed,\n"
      "frozen, stopped, refused and closed in turn. The exit status is 0 only if every frame was\n"
      "right, every reader got over every outage, and nothing grew. What an interrupted run "
      "(SIGINT,\n"
      "SIGTERM) found until then is reported as well, with status 1.");
  options.cameras.add_to(line);
  line.add("readers", options.readers, "For each camera (default 4)", "N", 'r');
  line.add("minutes", options.minutes, "How long (default 1)", "N", 'm');
  line.add("outage-every", options.outage_every, "Seconds from one outage to the next (default 2)");
  line.add("forget", options.forget, "One reader of each camera forgets three leases");
  line.add("cpu", options.cpu, "Without a GPU: software decoders, system memory");
  line.add("json", options.json, "Write the run and its figures there", "FILE");
  line.add("spoil", options.spoil,
           "A reader writes to a frame that it holds; the exit status is 0 if that was noticed");
  line.parse(argc, argv);
  options.cameras.check();
  if (options.readers < 1 || options.minutes <= 0 || options.outage_every <= 0)
    throw std::runtime_error("--readers, --minutes and --outage-every want more than 0");
  return options;
}

}  // namespace

int main(int argc, char **argv) {
  return cudacam::test::run_program("soak", [&] {
    const Options options = parse(argc, argv);
    if (options.cpu)
      do_without_gpu();
    else
      expect_kernels();
    catch_interrupts();
    std::signal(SIGPIPE, SIG_IGN);  // a camera that dies is what this is about
    return perform(options, cudacam::test::describe_machine(argc, argv));
  });
}
