// SPDX-License-Identifier: LGPL-2.1-or-later
/// lease [FRAMES]: what a lease costs, in nanoseconds, as JSON on stdout.
///
///   uncontended  acquire and release of a frame that is there, through the C API, nobody else
///   contended    16 readers and 8 cameras, each a thread, against
///     sinks        pipelines `cudacampool ! cudacamsink`, through the C API
///     ledgers      the ledger alone, as it is in the sink
///     mutexes      for comparison: the same book under one std::mutex, with one condition variable
///
/// and each of them
///     paced        a frame a millisecond from each camera; readers go round the cameras and ask
///                  without waiting, and so have a core each where there are 16
///     flooded      the same, the cameras as fast as they can: more threads than cores
///     waiting      a frame a millisecond; two readers for each camera wait for it
///
/// lease: acquire and release of those who asked without waiting and got a frame. hand-over: from
/// publishing to the return of an acquire that waited. publish: the call that brings a frame (into
/// the pipeline, for sinks). publish-on-core: of those, the ones during which the kernel gave the
/// thread's core to nobody: what is left is our doing. publishes-that-slept: by the kernel's count
/// the thread gave up its core to wait for another. lock: the time that publishing waited for the
/// lock (mutexes only; a ledger looks at it a few times); deferred: frames that a ledger's publish
/// left to whoever had the lock. fewest-leases, most-leases: of the worst and the best served
/// reader.
///
/// No test: a figure means something on a machine with nothing else to do.
#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gstcudacam.h"
#include "lease/ledger.hpp"
#include "tests/support/percentiles.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using Times = std::vector<long>;  // nanoseconds
using cudacam::LeaseBook;
using cudacam::Ledger;

constexpr unsigned kReaders = 16;
constexpr unsigned kCameras = 8;
constexpr auto kPace = std::chrono::milliseconds(1);
constexpr auto kLongestWait = std::chrono::milliseconds(50);

long since(Clock::time_point start) {
  return static_cast<long>(std::chrono::nanoseconds(Clock::now() - start).count());
}

/// A camera and what lends its frames. lease(): takes the next frame and lets it go.
class Sink {
 public:
  using Frame = GstBuffer *;

  Sink() : harness_(gst_harness_new_parse("cudacampool slots=32 ! cudacamsink")) {
    gst_harness_set_src_caps_str(harness_,
                                 "video/x-raw,format=GRAY8,width=4,height=4,framerate=30/1");
    sink_ = gst_harness_find_element(harness_, "cudacamsink");
  }
  ~Sink() {
    gst_object_unref(sink_);
    gst_harness_teardown(harness_);
  }
  Sink(const Sink &) = delete;
  Sink &operator=(const Sink &) = delete;

  Frame frame() { return gst_harness_create_buffer(harness_, 16); }
  void publish(Frame frame) { gst_harness_push(harness_, frame); }
  bool lease(const std::string &holder, Clock::duration wait = {}) {
    const auto timeout = static_cast<GstClockTime>(std::chrono::nanoseconds(wait).count());
    auto *lease =
        gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink_), holder.c_str(), timeout, nullptr);
    if (!lease) return false;
    gst_cuda_cam_lease_unref(lease);
    return true;
  }
  long deferred() const { return -1; }

 private:
  GstHarness *harness_;
  GstElement *sink_;
};

class LedgerAlone {
 public:
  using Frame = cudacam::FrameRef;

  Frame frame() { return std::make_shared<int>(); }
  void publish(Frame frame) { ledger_.publish(std::move(frame)); }
  bool lease(const std::string &holder, Clock::duration wait = {}) {
    const auto lease = ledger_.acquire(holder, Clock::now() + wait);
    return lease.frame && ledger_.release(lease.id);
  }
  long deferred() { return static_cast<long>(ledger_.counts().deferred); }

 private:
  Ledger ledger_;
};

/// What the ledger would be without care.
class Mutex {
 public:
  using Frame = cudacam::FrameRef;

  Frame frame() { return std::make_shared<int>(); }
  void publish(Frame frame) {
    cudacam::Discarded discarded;
    {
      const auto start = Clock::now();
      std::lock_guard lock(mutex_);
      locks_.push_back(since(start));
      book_.publish(std::move(frame), discarded);
    }
    changed_.notify_all();
  }
  bool lease(const std::string &holder, Clock::duration wait = {}) {
    const auto deadline = Clock::now() + wait;
    LeaseBook::Taken taken;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_until(lock, deadline, [&] {
        taken = book_.take(holder, Clock::now());
        return taken.answer != LeaseBook::Answer::kNothingNew;
      });
    }
    if (!taken.frame) return false;
    {
      std::lock_guard lock(mutex_);
      book_.release(taken.id, Clock::now());
    }
    changed_.notify_all();
    return true;
  }
  long deferred() const { return -1; }
  const Times &locks() const { return locks_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  LeaseBook book_;
  Times locks_;
};

std::string summary(Times times) {
  return cudacam::test::summary(std::move(times), 0);
}

void add(Times &sum, const Times &times) {
  sum.insert(sum.end(), times.begin(), times.end());
}

/// How often this thread gave up its core, to wait for something or to whom the kernel gave it.
struct Switches {
  long waits = 0;
  long lost = 0;

  static Switches of_this_thread() {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return {usage.ru_nvcsw, usage.ru_nivcsw};
  }
};

/// One camera's frames.
struct Publishing {
  Times times;
  Times on_core;
  long slept = 0;
  std::atomic<Clock::rep> last{0};  // when its newest frame was about to be published

  template <class Camera>
  void run(Camera &camera, int frames, Clock::duration pace) {
    auto next = Clock::now();
    for (int i = 0; i < frames; ++i) {
      auto frame = camera.frame();
      if (pace != Clock::duration::zero())
        std::this_thread::sleep_until(next += pace);
      else
        std::this_thread::yield();
      const auto before = Switches::of_this_thread();
      const auto start = Clock::now();
      last = start.time_since_epoch().count();
      camera.publish(std::move(frame));
      const auto time = since(start);
      const auto after = Switches::of_this_thread();
      times.push_back(time);
      if (after.lost == before.lost) on_core.push_back(time);
      slept += after.waits != before.waits;
    }
  }
};

enum class Readers { kPoll, kWait };

template <class Camera>
class Contest {
 public:
  std::string run(int frames, Clock::duration pace, Readers kind) {
    std::vector<std::unique_ptr<Camera>> cameras;
    for (unsigned i = 0; i < kCameras; ++i) cameras.push_back(std::make_unique<Camera>());
    std::vector<Publishing> publishing(kCameras);
    std::vector<Times> reading(kReaders);
    std::atomic<bool> done{false};
    std::vector<std::thread> readers, publishers;
    for (unsigned i = 0; i < kReaders; ++i) {
      reading[i].reserve(static_cast<std::size_t>(frames) * kCameras);
      readers.emplace_back([&, i, name = "reader" + std::to_string(i)] {
        if (kind == Readers::kPoll)
          poll(cameras, i, name, done, reading[i]);
        else
          wait(*cameras[i % kCameras], publishing[i % kCameras], name, done, reading[i]);
      });
    }
    for (unsigned i = 0; i < kCameras; ++i)
      publishers.emplace_back([&, i] { publishing[i].run(*cameras[i], frames, pace); });
    for (auto &publisher : publishers) publisher.join();
    done = true;
    for (auto &reader : readers) reader.join();
    return report(cameras, publishing, reading, kind);
  }

 private:
  using Cameras = std::vector<std::unique_ptr<Camera>>;

  static void poll(const Cameras &cameras, unsigned first, const std::string &name,
                   const std::atomic<bool> &done, Times &times) {
    for (auto next = first; !done; ++next) {
      const auto start = Clock::now();
      if (cameras[next % kCameras]->lease(name))
        times.push_back(since(start));
      else
        std::this_thread::yield();
    }
  }

  static void wait(Camera &camera, const Publishing &publishing, const std::string &name,
                   const std::atomic<bool> &done, Times &times) {
    while (!done) {
      const auto before = publishing.last.load();
      if (!camera.lease(name, kLongestWait) || publishing.last == before) continue;
      times.push_back(since(Clock::time_point(Clock::duration(publishing.last))));
    }
  }

  static std::string report(const Cameras &cameras, const std::vector<Publishing> &publishing,
                            const std::vector<Times> &reading, Readers kind) {
    Times leases, publishes, on_core, locks;
    long slept = 0, deferred = 0;
    auto fewest = reading[0].size(), most = fewest;
    for (const auto &times : reading) {
      fewest = std::min(fewest, times.size());
      most = std::max(most, times.size());
      add(leases, times);
    }
    if (leases.empty()) throw std::runtime_error("no reader got a frame");
    for (const auto &camera : publishing) {
      add(publishes, camera.times);
      add(on_core, camera.on_core);
      slept += camera.slept;
    }
    for (const auto &camera : cameras) {
      deferred += camera->deferred();
      if constexpr (std::is_same_v<Camera, Mutex>) add(locks, camera->locks());
    }
    std::string text = kind == Readers::kPoll ? "{\"lease\": " : "{\"hand-over\": ";
    text += summary(leases) + ",\n       \"publish\": " + summary(publishes) +
            ",\n       \"publish-on-core\": " + summary(on_core) +
            ",\n       \"publishes-that-slept\": " + std::to_string(slept);
    if (!locks.empty()) text += ", \"lock\": " + summary(locks);
    if (deferred >= 0) text += ", \"deferred\": " + std::to_string(deferred);
    return text + ",\n       \"fewest-leases\": " + std::to_string(fewest) +
           ", \"most-leases\": " + std::to_string(most) + "}";
  }
};

template <class Camera>
std::string contended(int frames) {
  Contest<Camera> contest;
  const auto each = frames / static_cast<int>(kCameras);
  const auto paced = std::min(each, 3000);
  return "{\n     \"paced\": " + contest.run(paced, kPace, Readers::kPoll) +
         ",\n     \"flooded\": " + contest.run(each, {}, Readers::kPoll) +
         ",\n     \"waiting\": " + contest.run(paced, kPace, Readers::kWait) + "}";
}

Times uncontended(int frames) {
  constexpr int kWarmUp = 100;
  Sink sink;
  Times times;
  for (int i = -kWarmUp; i < frames; ++i) {
    sink.publish(sink.frame());
    const auto start = Clock::now();
    if (!sink.lease("reader")) throw std::runtime_error("a frame cannot be leased");
    if (i >= 0) times.push_back(since(start));
  }
  return times;
}

}  // namespace

int main(int argc, char **argv) try {
  gst_init(&argc, &argv);
  const int frames = argc > 1 ? std::atoi(argv[1]) : 100000;
  std::printf("{\n  \"unit\": \"ns\",\n  \"cores\": %u,\n  \"uncontended\": %s,\n",
              std::thread::hardware_concurrency(), summary(uncontended(frames)).c_str());
  std::printf("  \"contended\": {\n    \"readers\": %u,\n    \"cameras\": %u,\n", kReaders,
              kCameras);
  std::printf("    \"sinks\": %s,\n", contended<Sink>(frames).c_str());
  std::printf("    \"ledgers\": %s,\n", contended<LedgerAlone>(frames).c_str());
  std::printf("    \"mutexes\": %s\n  }\n}\n", contended<Mutex>(frames).c_str());
  return 0;
} catch (const std::exception &failure) {
  std::fprintf(stderr, "lease: %s\n", failure.what());
  return 1;
}
