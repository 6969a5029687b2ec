// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "soak-camera.hpp"
#include "usage-watch.hpp"

namespace cudacam::soak {

/// What a soak found, and whether everything held.
struct SoakReport {
  double seconds = 0;
  bool interrupted = false;  ///< by a signal, before its time was over
  unsigned outages = 0;
  unsigned forgotten = 0, forgotten_changed = 0;  ///< leases that outlived their pipelines
  unsigned violations = 0;                        ///< that the simulated driver saw
  std::vector<std::string> complaints;            ///< whatever did not hold, in words

  void add(const SoakCamera::Result &camera);
  void add(const UsageWatch &watch);

  bool held() const;
  /// Whether readers saw a frame change under their hands.
  bool saw_rewritten() const { return verdicts_.rewritten > 0; }
  void print() const;  ///< on stdout
  nlohmann::json to_json() const;

 private:
  struct Gaps {
    std::size_t count;
    double median;
    std::optional<double> p99;  // unless there are too few
    double longest;
  };
  Gaps beyond() const;

  std::size_t cameras_ = 0;
  Verdicts verdicts_;
  unsigned cuda_errors_ = 0, overdue_ = 0;
  guint64 connections_ = 0, retries_ = 0, decoders_ = 0, dropped_ = 0;
  std::string memory_;
  std::vector<double> beyond_;
  std::vector<IntervalHistogram> by_reader_;  // the n-th reader of all cameras
  double longest_interval_ = 0;
  std::vector<UsageWatch::Span> vram_;
  std::vector<UsageWatch::Growth> growth_;
};

}  // namespace cudacam::soak
