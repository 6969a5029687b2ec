// SPDX-License-Identifier: LGPL-2.1-or-later
/// One camera of the soak: its process, its pipeline, its readers, and what is being done to it.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ptr.hpp"
#include "camera-process.hpp"
#include "run-log.hpp"
#include "soak-reader.hpp"
#include "trouble-plan.hpp"

namespace cudacam::soak {

struct CameraSettings {
  std::string name;
  std::vector<std::string> testcam_options;
  unsigned readers = 0;
  unsigned forgets = 0;  ///< by its first reader
  bool spoils = false;   ///< its first reader
  std::string kernels;
};

/// Main thread only.
class SoakCamera {
 public:
  explicit SoakCamera(CameraSettings settings);
  ~SoakCamera();
  SoakCamera(const SoakCamera &) = delete;
  SoakCamera &operator=(const SoakCamera &) = delete;

  /// Whether the process serves; never blocks.
  void wait_until_ready() { process_.wait_until_ready(); }
  void play();

  void begin(Trouble trouble, Clock::time_point now);
  /// Does what is due. Returns whether the camera came back just now.
  bool advance(Clock::time_point now);
  /// Whether it is away, or a reader has not got over it.
  bool busy() const;

  bool all_readers_have_frames() const;
  test::RunLog::CameraSample sample() const;
  /// What ended the pipeline or the process, which nothing should; empty while they run.
  const std::string &failure();

  struct Result {
    Verdicts verdicts;
    std::vector<std::string> complaints;  ///< bad frames and failures in words
    unsigned cuda_errors = 0;             ///< in readers and in the pipeline
    unsigned forgotten = 0;               ///< leases
    std::vector<GapBook::Report> gaps;    ///< of each reader
    guint64 connections = 0, retries = 0, decoders = 0, dropped = 0;
    guint outstanding = 0, overdue = 0;  ///< leases
    std::string memory;                  ///< of the slots, in the pool's words
  };
  /// Stops the readers first. Of one that was never played as well.
  Result finish();
  void stop_pipeline();
  std::vector<Forgotten> take_forgotten();

 private:
  void end_trouble();

  const CameraSettings settings_;
  test::CameraProcess process_;
  ObjectPtr<GstElement> pipeline_, source_, pool_, sink_;
  SharedSums sums_;
  std::vector<std::unique_ptr<SoakReader>> readers_;
  std::string failure_;
  unsigned overdue_ = 0;

  struct Active {
    Trouble trouble;
    Clock::time_point back;  // when it may come back
    bool starting = false;   // a new process does not serve yet
  };
  std::optional<Active> active_;
};

}  // namespace cudacam::soak
