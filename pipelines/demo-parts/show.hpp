// SPDX-License-Identifier: LGPL-2.1-or-later
/// Makes cameras fail and come back as planned.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "camera-process.hpp"
#include "camera-record.hpp"
#include "outage-plan.hpp"
#include "run-log.hpp"

namespace cudacam::demo {

/// Main thread only, as CameraProcess.
class Show {
 public:
  struct Actor {
    std::string name;
    test::CameraProcess *process;
    CameraRecord *record;
  };
  using Announce = std::function<void(const std::string &)>;

  /// `log` outlives it and has as many cameras as there are actors.
  Show(std::vector<Actor> actors, const std::vector<Outage> &plan, test::RunLog &log,
       Announce announce);

  /// Does what is due; `seconds` is the show's time. Never blocks for long.
  void advance(double seconds);

 private:
  enum class Phase { kAhead, kDown, kStarting, kOver };
  struct Act {
    Outage outage;
    Phase phase = Phase::kAhead;
  };

  void begin(const Outage &outage);
  Phase bring_back(const Outage &outage);
  void is_back(const Outage &outage);

  const std::vector<Actor> actors_;
  test::RunLog &log_;
  const Announce announce_;
  std::vector<Act> acts_;
  double now_ = 0;  // seconds
};

}  // namespace cudacam::demo
