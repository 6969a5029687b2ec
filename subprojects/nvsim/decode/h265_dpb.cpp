// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/h265_dpb.hpp"

#include <algorithm>
#include <cstdlib>

namespace nvsim::decode::h265 {

void PictureBuffer::start_sequence(const Sps &sps, unsigned capacity) {
  sps_ = sps;
  capacity_ = std::clamp(capacity, 1u, kSlots);
}

void PictureBuffer::flush(bool discard) {
  for (Slot &slot : slots_) {
    slot.marking = Marking::unused;
    if (discard) slot.waiting = false;
  }
  empty_unused();
  while (bump(0)) {
  }
}

void PictureBuffer::reset() {
  std::fill(slots_.begin(), slots_.end(), Slot{});
  current_ = kSlots;
  references_ = {};
  previous_msb_ = previous_lsb_ = 0;
}

// 8.3.1
int PictureBuffer::count(const SliceHeader &slice, bool restart) {
  const int lsb = static_cast<int>(slice.poc_lsb), range = 1 << sps_.log2_max_poc_lsb;
  int msb = 0;
  if (!restart) {
    msb = previous_msb_;
    if (lsb < previous_lsb_ && previous_lsb_ - lsb >= range / 2) msb += range;
    if (lsb > previous_lsb_ && lsb - previous_lsb_ > range / 2) msb -= range;
  }
  const bool leading = slice.nal.type >= kRadlN && slice.nal.type <= kRaslR;
  if (slice.nal.temporal_id == 0 && !leading && !slice.nal.sublayer_non_reference()) {
    previous_lsb_ = lsb;
    previous_msb_ = msb;
  }
  return msb + lsb;
}

int PictureBuffer::find(int poc, bool short_term_only, int mask) const {
  for (std::size_t i = 0; i < slots_.size(); i++) {
    const Slot &slot = slots_[i];
    const bool usable =
        short_term_only ? slot.marking == Marking::short_term : slot.marking != Marking::unused;
    if (slot.taken && usable && (slot.poc & mask) == (poc & mask)) return static_cast<int>(i);
  }
  return -1;
}

// What stands in for a reference that was lost.
int PictureBuffer::nearest(int poc) const {
  int best = -1;
  for (std::size_t i = 0; i < slots_.size(); i++) {
    const Slot &slot = slots_[i];
    if (!slot.taken || slot.marking != Marking::short_term || slot.poc == poc) continue;
    if (best < 0 || std::abs(slot.poc - poc) < std::abs(slots_[best].poc - poc))
      best = static_cast<int>(i);
  }
  return best;
}

std::vector<int> PictureBuffer::mark_long_term(const SliceHeader &slice, int poc) {
  std::vector<int> kept;
  const int range = 1 << sps_.log2_max_poc_lsb;
  for (const SliceHeader::LongTerm &entry : slice.long_term) {
    const int wanted = static_cast<int>(entry.poc) + (entry.whole ? poc : 0);
    const int slot = find(wanted, false, entry.whole ? ~0 : range - 1);
    if (entry.used) references_.long_term.push_back(slot);
    if (slot >= 0) kept.push_back(slot);
  }
  for (const int slot : kept) slots_[slot].marking = Marking::long_term;
  return kept;
}

// 8.3.2
void PictureBuffer::select_references(const SliceHeader &slice, int poc, bool restart) {
  references_ = {};
  if (restart)
    for (Slot &slot : slots_) slot.marking = Marking::unused;
  std::vector<int> kept;
  if (!slice.nal.idr()) {
    kept = mark_long_term(slice, poc);
    const auto take = [&](const std::vector<ReferenceSet::Entry> &entries, std::vector<int> &used) {
      for (const ReferenceSet::Entry &entry : entries) {
        int slot = find(poc + entry.delta, true, ~0);
        if (slot < 0 && entry.used) slot = nearest(poc + entry.delta);
        if (entry.used) used.push_back(slot);
        if (slot >= 0) kept.push_back(slot);
      }
    };
    take(slice.references.before, references_.before);
    take(slice.references.after, references_.after);
  }
  for (std::size_t i = 0; i < slots_.size(); i++)
    if (std::find(kept.begin(), kept.end(), static_cast<int>(i)) == kept.end())
      slots_[i].marking = Marking::unused;
}

void PictureBuffer::start_picture(const SliceHeader &slice, bool leading_skipped,
                                  const std::function<PicturePtr()> &acquire) {
  const bool restart = slice.nal.irap() && leading_skipped;
  const int poc = count(slice, restart);
  select_references(slice, poc, restart);
  if (restart && (slice.nal.type == kCra || slice.no_output_of_prior))
    for (Slot &slot : slots_) slot = Slot{};
  empty_unused();
  const unsigned size = std::clamp(std::min(sps_.dpb_pictures, capacity_), 1u, kSlots);
  while (held() >= size && bump(capacity_ - 1)) {
  }
  current_ = 0;
  while (current_ < kSlots && slots_[current_].taken) current_++;
  Slot &slot = slots_[current_];
  slot = Slot{};
  slot.poc = poc;
  slot.waiting = !(slice.nal.rasl() && leading_skipped) && slice.output;
  slot.picture = acquire();
}

void PictureBuffer::finish_picture() {
  Slot &slot = slots_[current_];
  slot.taken = true;
  slot.marking = Marking::short_term;
  const auto waiting = [this] {
    return static_cast<unsigned>(std::count_if(slots_.begin(), slots_.end(),
                                               [](const Slot &s) { return s.taken && s.waiting; }));
  };
  while (waiting() > sps_.reorder_pictures && bump(capacity_ - 1)) {
  }
}

// C.5.2.4. False when nothing was shown and nothing had to be thrown away.
bool PictureBuffer::bump(unsigned allowed) {
  Slot *first = nullptr, *other = nullptr;
  for (Slot &slot : slots_) {
    if (!slot.taken) continue;
    Slot *&best = slot.waiting ? first : other;
    if (best == nullptr || slot.poc < best->poc) best = &slot;
  }
  if (first == nullptr) {
    if (other == nullptr || held() < std::max(1u, allowed)) return false;
    *other = Slot{};  // too many references: a broken stream
    return true;
  }
  first->waiting = false;
  if (first->picture != nullptr) output_(first->picture);
  if (first->marking == Marking::unused) *first = Slot{};
  return true;
}

void PictureBuffer::empty_unused() {
  for (Slot &slot : slots_)
    if (slot.marking == Marking::unused && !slot.waiting) slot = Slot{};
}

unsigned PictureBuffer::held() const {
  return static_cast<unsigned>(
      std::count_if(slots_.begin(), slots_.end(), [](const Slot &slot) { return slot.taken; }));
}

}  // namespace nvsim::decode::h265
