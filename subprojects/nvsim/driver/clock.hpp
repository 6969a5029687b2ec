// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Vector clocks. Pure C++: knows neither streams nor threads.
//
// A party is whoever does things one after the other: here, a stream. It ticks with each thing it
// does, and a clock says, for each party, up to which tick everything is known to be done.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace nvsim {

using Party = std::uint64_t;  // never used twice
using Tick = std::uint64_t;   // the first thing a party does has tick 1

// The parties that can still matter: the living, and the dead of whom an access is remembered.
// Clocks forget the others, so a process may have any number of streams over its life.
class Parties {
 public:
  Party add();
  // No further ticks.
  void retire(Party party);
  // Access records that name the party.
  void remember(Party party) { ++known_[party].records; }
  void forget(Party party);
  bool matters(Party party) const { return known_.count(party) != 0; }
  std::size_t size() const { return known_.size(); }

 private:
  struct State {
    bool retired = false;
    std::size_t records = 0;
  };
  void drop_if_useless(Party party);

  std::unordered_map<Party, State> known_;
  Party last_ = 0;
};

class Clock {
 public:
  Tick at(Party party) const;
  bool knows(Party party, Tick tick) const { return at(party) >= tick; }
  void advance(Party party, Tick tick);
  // Learns all that `other` knows of parties that matter.
  void join(const Clock &other, const Parties &parties);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Party party;
    Tick tick;
  };
  std::vector<Entry> entries_;  // sorted by party
};

}  // namespace nvsim
