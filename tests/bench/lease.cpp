// SPDX-License-Identifier: LGPL-2.1-or-later
/// lease [FRAMES]: what a lease costs through the C API, in nanoseconds, as JSON on stdout.
///
///   uncontended  acquire and release of a frame that is there, nobody else
///   contended    16 readers that go round 8 cameras and ask without waiting, while each camera
///                publishes as fast as it can: acquire and release of those that got a frame;
///                pushing a frame into the sink, and how many of these pushes made their thread
///                wait for another (a voluntary switch, by the kernel's count); and how many leases
///                the best and the worst served reader had
///
/// No test: a figure means something on a machine with nothing else to do and a core per reader.
#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <sys/resource.h>

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

using Clock = std::chrono::steady_clock;
using Times = std::vector<long>;  // nanoseconds

constexpr unsigned kReaders = 16;
constexpr unsigned kCameras = 8;

class Camera {
 public:
  Camera() : harness_(gst_harness_new_parse("cudacampool slots=32 ! cudacamsink")) {
    gst_harness_set_src_caps_str(harness_,
                                 "video/x-raw,format=GRAY8,width=4,height=4,framerate=30/1");
    sink_ = gst_harness_find_element(harness_, "cudacamsink");
  }
  ~Camera() {
    gst_object_unref(sink_);
    gst_harness_teardown(harness_);
  }
  Camera(const Camera &) = delete;
  Camera &operator=(const Camera &) = delete;

  GstBuffer *frame() { return gst_harness_create_buffer(harness_, 16); }
  void push(GstBuffer *frame) { gst_harness_push(harness_, frame); }

  /// Takes the newest frame and lets it go; how long both took, or -1 without a new frame.
  long lease(const char *holder) {
    const auto start = Clock::now();
    auto *lease = gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink_), holder, 0, nullptr);
    if (!lease) return -1;
    gst_cuda_cam_lease_unref(lease);
    return nanoseconds_since(start);
  }

  static long nanoseconds_since(Clock::time_point start) {
    return static_cast<long>(std::chrono::nanoseconds(Clock::now() - start).count());
  }

 private:
  GstHarness *harness_;
  GstElement *sink_;
};

std::string summary(Times times) {
  if (times.empty()) return "null";
  std::sort(times.begin(), times.end());
  const auto at = [&](std::size_t percent) { return times[(times.size() - 1) * percent / 100]; };
  char text[160];
  std::snprintf(text, sizeof text, R"({"count": %zu, "median": %ld, "p99": %ld, "longest": %ld})",
                times.size(), at(50), at(99), times.back());
  return text;
}

Times uncontended(int frames) {
  Camera camera;
  Times times;
  for (int i = 0; i < frames; ++i) {
    camera.push(camera.frame());
    times.push_back(camera.lease("reader"));
  }
  return times;
}

struct Contended {
  Times leases;
  Times pushes;
  long waits = 0;  // pushes that did
  std::size_t fewest = 0;
  std::size_t most = 0;
};

/// Times that this thread gave up its core to wait for something.
long waits_of_this_thread() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

void publish_frames(Camera &camera, int frames, Times &pushes, long &waits) {
  for (int i = 0; i < frames; ++i) {
    auto *frame = camera.frame();
    const auto before = waits_of_this_thread();
    const auto start = Clock::now();
    camera.push(frame);
    pushes.push_back(Camera::nanoseconds_since(start));
    waits += waits_of_this_thread() != before;
    std::this_thread::yield();
  }
}

Contended contended(int frames) {
  std::vector<std::unique_ptr<Camera>> cameras;
  for (unsigned i = 0; i < kCameras; ++i) cameras.push_back(std::make_unique<Camera>());
  std::atomic<bool> done{false};
  std::vector<Times> of_readers(kReaders), of_cameras(kCameras);
  std::vector<long> waits(kCameras);
  std::vector<std::thread> readers, publishers;
  for (unsigned i = 0; i < kReaders; ++i) {
    readers.emplace_back([&, i, name = "reader" + std::to_string(i)] {
      for (auto next = i; !done; ++next) {
        const auto time = cameras[next % kCameras]->lease(name.c_str());
        if (time < 0)
          std::this_thread::yield();
        else
          of_readers[i].push_back(time);
      }
    });
  }
  for (unsigned i = 0; i < kCameras; ++i)
    publishers.emplace_back(
        [&, i] { publish_frames(*cameras[i], frames / 8, of_cameras[i], waits[i]); });
  for (auto &publisher : publishers) publisher.join();
  done = true;
  for (auto &reader : readers) reader.join();
  Contended result;
  result.fewest = of_readers[0].size();
  for (const auto &times : of_readers) {
    result.fewest = std::min(result.fewest, times.size());
    result.most = std::max(result.most, times.size());
    result.leases.insert(result.leases.end(), times.begin(), times.end());
  }
  for (const auto &times : of_cameras)
    result.pushes.insert(result.pushes.end(), times.begin(), times.end());
  for (const auto count : waits) result.waits += count;
  return result;
}

}  // namespace

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  const int frames = argc > 1 ? std::atoi(argv[1]) : 100000;
  const auto alone = uncontended(frames);
  const auto crowd = contended(frames);
  std::printf(
      "{\n  \"cores\": %u,\n  \"uncontended\": %s,\n  \"contended\": {\n    \"readers\": %u,\n"
      "    \"cameras\": %u,\n    \"lease\": %s,\n    \"push\": %s,\n    \"pushes-that-waited\": "
      "%ld,\n"
      "    \"fewest-leases\": %zu,\n    \"most-leases\": %zu\n  }\n}\n",
      std::thread::hardware_concurrency(), summary(alone).c_str(), kReaders, kCameras,
      summary(crowd.leases).c_str(), summary(crowd.pushes).c_str(), crowd.waits, crowd.fewest,
      crowd.most);
  return 0;
}
