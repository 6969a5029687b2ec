// SPDX-License-Identifier: LGPL-2.1-or-later
/// lease [FRAMES]: what a lease costs through the C API, in nanoseconds, as JSON on stdout.
///
///   uncontended  acquire and release of a frame that is there, nobody else
///   contended    16 readers that ask without waiting while frames are published as fast as they
///   can
///                be taken: acquire and release of those that got one; the publishing; and how many
///                leases the best and the worst served reader had
///
/// No test: a figure means something on a machine with nothing else to do and a core per reader.
#include <gst/check/gstharness.h>
#include <gst/gst.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "gstcudacam.h"

namespace {

using Clock = std::chrono::steady_clock;
using Times = std::vector<long>;  // nanoseconds

constexpr int kReaders = 16;

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

  void publish() { gst_harness_push(harness_, gst_harness_create_buffer(harness_, 16)); }

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
    camera.publish();
    times.push_back(camera.lease("reader"));
  }
  return times;
}

struct Contended {
  Times leases;
  Times publishing;
  std::size_t fewest = 0;
  std::size_t most = 0;
};

Contended contended(int frames) {
  Camera camera;
  std::atomic<bool> done{false};
  std::vector<Times> of_readers(kReaders);
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&, i, name = "reader" + std::to_string(i)] {
      while (!done) {
        const auto time = camera.lease(name.c_str());
        if (time < 0)
          std::this_thread::yield();
        else
          of_readers[static_cast<std::size_t>(i)].push_back(time);
      }
    });
  }
  Contended result;
  for (int i = 0; i < frames; ++i) {
    const auto start = Clock::now();
    camera.publish();
    result.publishing.push_back(Camera::nanoseconds_since(start));
    std::this_thread::yield();
  }
  done = true;
  for (auto &reader : readers) reader.join();
  result.fewest = of_readers[0].size();
  for (const auto &times : of_readers) {
    result.fewest = std::min(result.fewest, times.size());
    result.most = std::max(result.most, times.size());
    result.leases.insert(result.leases.end(), times.begin(), times.end());
  }
  return result;
}

}  // namespace

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  const int frames = argc > 1 ? std::atoi(argv[1]) : 100000;
  const auto alone = uncontended(frames);
  const auto crowd = contended(frames);
  std::printf(
      "{\n  \"cores\": %u,\n  \"uncontended\": %s,\n  \"contended\": {\n    \"readers\": %d,\n"
      "    \"lease\": %s,\n    \"push\": %s,\n    \"fewest-leases\": %zu,\n    \"most-leases\": "
      "%zu\n"
      "  }\n}\n",
      std::thread::hardware_concurrency(), summary(alone).c_str(), kReaders,
      summary(crowd.leases).c_str(), summary(crowd.publishing).c_str(), crowd.fewest, crowd.most);
  return 0;
}
