// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/launch-turns.hpp"

#include <algorithm>
#include <stdexcept>

namespace cudacam {

LaunchTurns::LaunchTurns(unsigned most_inside, unsigned most_copies, unsigned most_planes)
    : most_inside_(std::max(most_inside, 1u)),
      most_copies_(std::clamp(most_copies, 1u, kMostCopies)),
      most_planes_(most_planes) {
}

bool LaunchTurns::enter() {
  if (full() || waiting_) return false;
  ++inside_;
  return true;
}

void LaunchTurns::join(Entry &entry) {
  if (entry.next_ || &entry == last_ || entry.done_)
    throw std::logic_error("a copy waits for a launch twice");
  (first_ ? last_->next_ : first_) = &entry;
  last_ = &entry;
  ++waiting_;
}

LaunchTurns::Batch LaunchTurns::take() {
  Batch batch;
  if (full()) return batch;
  // In order: none is overtaken because it has many planes. The first always goes.
  for (unsigned planes = 0; first_ && batch.size_ < most_copies_; --waiting_) {
    planes += first_->planes_;
    if (!batch.empty() && planes > most_planes_) break;
    batch.entries_[batch.size_++] = first_;
    first_ = first_->next_;
  }
  if (!first_) last_ = nullptr;
  if (!batch.empty()) ++inside_;
  return batch;
}

void LaunchTurns::leave(const Batch &batch) {
  if (!inside_) throw std::logic_error("a launch ends that nobody began");
  --inside_;
  for (auto *entry : batch) entry->done_ = true;
}

}  // namespace cudacam
