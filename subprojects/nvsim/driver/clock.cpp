// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/clock.hpp"

#include <algorithm>

namespace nvsim {

Party Parties::add() {
  known_.emplace(++last_, State{});
  return last_;
}

void Parties::retire(Party party) {
  known_[party].retired = true;
  drop_if_useless(party);
}

void Parties::forget(Party party) {
  --known_[party].records;
  drop_if_useless(party);
}

void Parties::drop_if_useless(Party party) {
  auto found = known_.find(party);
  if (found != known_.end() && found->second.retired && found->second.records == 0)
    known_.erase(found);
}

Tick Clock::at(Party party) const {
  auto found = std::lower_bound(entries_.begin(), entries_.end(), party,
                                [](const Entry &e, Party p) { return e.party < p; });
  return found != entries_.end() && found->party == party ? found->tick : 0;
}

void Clock::advance(Party party, Tick tick) {
  auto found = std::lower_bound(entries_.begin(), entries_.end(), party,
                                [](const Entry &e, Party p) { return e.party < p; });
  if (found != entries_.end() && found->party == party)
    found->tick = std::max(found->tick, tick);
  else
    entries_.insert(found, {party, tick});
}

void Clock::join(const Clock &other, const Parties &parties) {
  if (other.entries_.empty()) return;
  std::vector<Entry> merged;
  merged.reserve(entries_.size() + other.entries_.size());
  auto mine = entries_.begin();
  auto theirs = other.entries_.begin();
  auto keep = [&](Entry entry) {
    if (parties.matters(entry.party)) merged.push_back(entry);
  };
  while (mine != entries_.end() || theirs != other.entries_.end()) {
    if (theirs == other.entries_.end() || (mine != entries_.end() && mine->party < theirs->party)) {
      keep(*mine++);
    } else if (mine == entries_.end() || theirs->party < mine->party) {
      keep(*theirs++);
    } else {
      keep({mine->party, std::max(mine->tick, theirs->tick)});
      ++mine;
      ++theirs;
    }
  }
  entries_ = std::move(merged);
}

}  // namespace nvsim
