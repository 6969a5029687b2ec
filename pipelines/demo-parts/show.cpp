// SPDX-License-Identifier: LGPL-2.1-or-later
#include "show.hpp"

namespace cudacam::demo {

Show::Show(std::vector<Actor> actors, const std::vector<Outage> &plan, test::RunLog &log,
           Announce announce)
    : actors_(std::move(actors)), log_(log), announce_(std::move(announce)) {
  for (const Outage &outage : plan) acts_.push_back({outage});
}

void Show::advance(double seconds) {
  now_ = seconds;
  for (Act &act : acts_) {
    if (act.phase == Phase::kAhead && seconds >= act.outage.at) {
      begin(act.outage);
      act.phase = Phase::kDown;
    }
    if (act.phase == Phase::kDown && seconds >= act.outage.back) act.phase = bring_back(act.outage);
    if (act.phase == Phase::kStarting && actors_[act.outage.camera].process->ready()) {
      is_back(act.outage);
      act.phase = Phase::kOver;
    }
  }
}

void Show::begin(const Outage &outage) {
  const Actor &actor = actors_[outage.camera];
  actor.record->outage_begins();
  log_.outage_begins(now_, outage.camera, outage.kind == OutageKind::kKill ? "killed" : "stopped");
  if (outage.kind == OutageKind::kKill) {
    actor.process->kill();
    announce_(actor.name + ": killed (SIGKILL)");
  } else {
    actor.process->freeze();
    announce_(actor.name + ": frozen with its connections open (SIGSTOP)");
  }
}

Show::Phase Show::bring_back(const Outage &outage) {
  if (outage.kind == OutageKind::kKill) {
    actors_[outage.camera].process->start();
    return Phase::kStarting;
  }
  actors_[outage.camera].process->thaw();
  is_back(outage);
  return Phase::kOver;
}

void Show::is_back(const Outage &outage) {
  const Actor &actor = actors_[outage.camera];
  actor.record->camera_is_back(Clock::now());
  log_.outage_ends(now_, outage.camera);
  announce_(actor.name + (outage.kind == OutageKind::kKill ? ": runs again on the same port"
                                                           : ": continues (SIGCONT)"));
}

}  // namespace cudacam::demo
