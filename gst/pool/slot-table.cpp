// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/slot-table.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace cudacam {

SlotTable::Place &SlotTable::out(unsigned slot, const char *what) {
  auto &place = places_.at(slot);
  if (!place.out) throw std::logic_error(std::string("a slot that is not out was ") + what);
  return place;
}

unsigned SlotTable::add() {
  const auto empty = std::find_if(places_.begin(), places_.end(),
                                  [](const Place &place) { return place.state == State::kEmpty; });
  const auto slot = static_cast<unsigned>(empty - places_.begin());
  if (empty == places_.end()) places_.emplace_back();
  places_[slot] = {State::kFree, false};
  // Behind those that were never written either, before those that were.
  const auto written =
      std::find_if(free_.begin(), free_.end(), [](const Free &entry) { return entry.since; });
  free_.insert(written, {slot, std::nullopt});
  return slot;
}

unsigned SlotTable::attainable(unsigned wanted, const Counts &counts) {
  const auto lost = counts.retired > wanted ? counts.retired - wanted : 0;
  return wanted > lost ? wanted - lost : 0;
}

unsigned SlotTable::attainable(unsigned wanted) const {
  return attainable(wanted, counts());
}

unsigned SlotTable::missing(unsigned wanted) const {
  const auto counts = this->counts();
  const auto goal = attainable(wanted, counts);
  return goal > counts.usable() ? goal - counts.usable() : 0;
}

std::vector<unsigned> SlotTable::free() const {
  std::vector<unsigned> slots;
  for (const auto &entry : free_) slots.push_back(entry.slot);
  return slots;
}

void SlotTable::rested(Time now, std::vector<unsigned> &slots) const {
  slots.clear();
  for (const auto &entry : free_)
    if (!entry.since || now - *entry.since >= reuse_delay_) slots.push_back(entry.slot);
}

void SlotTable::remove_free(unsigned slot, State next) {
  const auto found = std::find_if(free_.begin(), free_.end(),
                                  [&](const Free &entry) { return entry.slot == slot; });
  if (found == free_.end()) throw std::logic_error("the slot is not free");
  free_.erase(found);
  places_[slot] = {next, next == State::kWriting};
}

void SlotTable::take(unsigned slot) {
  remove_free(slot, State::kWriting);
}

void SlotTable::give_up(unsigned slot) {
  remove_free(slot, State::kEmpty);
}

void SlotTable::publish(unsigned slot) {
  auto &place = out(slot, "published");
  if (place.state == State::kRetired) throw std::logic_error("a retired slot was published");
  place.state = State::kPublished;
}

void SlotTable::retire(unsigned slot) {
  out(slot, "retired").state = State::kRetired;
}

void SlotTable::release(unsigned slot, Time now) {
  auto &place = out(slot, "released");
  place.out = false;
  if (place.state == State::kRetired) return;
  place.state = State::kFree;
  free_.push_back({slot, now});
}

SlotTable::Counts SlotTable::counts() const {
  Counts counts;
  for (const auto &place : places_) {
    switch (place.state) {
      case State::kEmpty:
        break;
      case State::kFree:
        ++counts.free;
        break;
      case State::kWriting:
        ++counts.writing;
        break;
      case State::kPublished:
        ++counts.published;
        break;
      case State::kRetired:
        ++counts.retired;
        break;
    }
  }
  return counts;
}

}  // namespace cudacam
