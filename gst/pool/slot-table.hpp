// SPDX-License-Identifier: LGPL-2.1-or-later
/// States of slots, without GStreamer or CUDA.
///
///     empty ──add──> free ──take──> writing ──publish──> published
///       ^             │ ^                │ │                  │
///       └───give_up───┘ └────────────────┼─┴─────release──────┤
///                                        └─────retire─────────┴──> retired
///
/// A *retired* slot had an error while it was written: its content and its pending work are
/// unknown, so it is never free again. It is replaced by a new slot, at most as many times as slots
/// are wanted; after that there are fewer.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace cudacam {

class SlotTable {
 public:
  using Time = std::chrono::nanoseconds;  ///< of any monotonic clock, the same in all calls

  enum class State { kEmpty, kFree, kWriting, kPublished, kRetired };

  struct Counts {
    unsigned free = 0;
    unsigned writing = 0;
    unsigned published = 0;
    unsigned retired = 0;
    /// Slots that are or will be of use.
    unsigned usable() const { return free + writing + published; }
  };

  /// A released slot is not written again before `reuse_delay` has passed.
  explicit SlotTable(Time reuse_delay = Time::zero()) : reuse_delay_(reuse_delay) {}

  /// A place for one more slot, which is free and has never been written.
  unsigned add();

  /// How many slots are to be added so that `wanted` are usable; fewer when more were retired than
  /// may be replaced.
  unsigned missing(unsigned wanted) const;
  /// How many of `wanted` slots there can be after replacements: fewer when more were retired.
  unsigned attainable(unsigned wanted) const;

  /// The free slots, the one that has been free for longest first, so that a reader that let go too
  /// early still has the longest possible grace; before them those that were never written.
  std::vector<unsigned> free() const;
  /// `slots` becomes those of them that have been free for long enough to be written. Asked for
  /// each frame, so the vector is the caller's, and is not allocated each time.
  void rested(Time now, std::vector<unsigned> &slots) const;
  /// A free slot is writing now. Throws std::logic_error for one that is not free.
  void take(unsigned slot);
  /// A free slot's place is empty now. Throws std::logic_error for one that is not free.
  void give_up(unsigned slot);

  /// The frame is complete and on its way to readers. A slot that is already published stays so:
  /// one frame may pass twice (behind a tee, say). Throws std::logic_error for a slot that is not
  /// out, or is retired.
  void publish(unsigned slot);

  /// Writing it went wrong. Throws std::logic_error for a slot that is not out.
  void retire(unsigned slot);

  /// The last reference is gone. Throws std::logic_error for a slot that is not out.
  void release(unsigned slot, Time now);

  State state(unsigned slot) const { return places_.at(slot).state; }
  Counts counts() const;
  /// Places, empty ones included.
  unsigned size() const { return static_cast<unsigned>(places_.size()); }

 private:
  struct Place {
    State state = State::kEmpty;
    bool out = false;  // has a reference outside; a retired slot may or may not
  };
  struct Free {
    unsigned slot;
    std::optional<Time> since;  // nothing: never written
  };

  static unsigned attainable(unsigned wanted, const Counts &counts);
  Place &out(unsigned slot, const char *what);
  void remove_free(unsigned slot, State next);

  const Time reuse_delay_;
  std::vector<Place> places_;
  std::vector<Free> free_;  // never written, then longest free first
};

}  // namespace cudacam
