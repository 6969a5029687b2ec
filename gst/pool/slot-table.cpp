// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/slot-table.hpp"

#include <algorithm>
#include <stdexcept>

namespace cudacam {

SlotTable::SlotTable(unsigned slots) : states_(slots, State::kFree) {
  for (unsigned slot = 0; slot < slots; ++slot) free_.push_back(slot);
}

std::optional<unsigned> SlotTable::take() {
  if (free_.empty()) return std::nullopt;
  const auto slot = free_.front();
  free_.pop_front();
  states_[slot] = State::kWriting;
  return slot;
}

void SlotTable::take(unsigned slot) {
  const auto found = std::find(free_.begin(), free_.end(), slot);
  if (found == free_.end()) throw std::logic_error("a slot that is not free was taken");
  free_.erase(found);
  states_[slot] = State::kWriting;
}

void SlotTable::publish(unsigned slot) {
  auto &state = states_.at(slot);
  if (state == State::kFree) throw std::logic_error("a free slot was published");
  state = State::kPublished;
}

void SlotTable::release(unsigned slot) {
  auto &state = states_.at(slot);
  if (state == State::kFree) throw std::logic_error("a free slot was released");
  state = State::kFree;
  free_.push_back(slot);
}

SlotTable::Counts SlotTable::counts() const {
  Counts counts;
  for (const auto state : states_) {
    switch (state) {
      case State::kFree:
        ++counts.free;
        break;
      case State::kWriting:
        ++counts.writing;
        break;
      case State::kPublished:
        ++counts.published;
        break;
    }
  }
  return counts;
}

}  // namespace cudacam
