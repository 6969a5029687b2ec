// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <memory>
#include <string>
#include <vector>

namespace cudacam::bench {

/// A reader's work on each frame of a camera, and how long it takes: one copy by the driver, and
/// one launch of a kernel that copies the same, on a stream of the reader's own with nothing else
/// on it. Frames in system memory are left alone. One thread.
class GpuDelays {
 public:
  /// In milliseconds, one for each frame.
  struct Times {
    std::vector<double> submitted;  ///< until the driver's calls returned
    std::vector<double> completed;  ///< from the first call until the thread knows that it is done
    std::vector<double> on_gpu;     ///< between the events before and after it
  };
  struct Work {
    Times copies, launches;
  };

  GpuDelays();
  ~GpuDelays();
  GpuDelays(const GpuDelays &) = delete;
  GpuDelays &operator=(const GpuDelays &) = delete;

  /// Does the work on a frame and waits for it.
  void take(GstBuffer *frame);
  /// What was measured since the last call.
  Work work();
  /// The first error of the driver; from then on frames are left alone.
  const std::string &error() const { return error_; }

 private:
  struct Gpu;
  std::unique_ptr<Gpu> gpu_;
  Work work_;
  std::string error_;
};

}  // namespace cudacam::bench
