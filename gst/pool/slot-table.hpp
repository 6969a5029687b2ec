// SPDX-License-Identifier: LGPL-2.1-or-later
/// States of a fixed number of slots, without GStreamer or CUDA.
///
///     free ──take──> writing ──publish──> published
///      ^                │                     │
///      └────────────────┴──────release────────┘
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

namespace cudacam {

class SlotTable {
 public:
  enum class State { kFree, kWriting, kPublished };

  struct Counts {
    unsigned free = 0;
    unsigned writing = 0;
    unsigned published = 0;
  };

  explicit SlotTable(unsigned slots);

  /// The slot that has been free for longest, now writing, or nothing when none is free. Oldest
  /// first, so that a reader that let go too early still has the longest possible grace.
  std::optional<unsigned> take();

  /// The free slots, the one that has been free for longest first.
  const std::deque<unsigned> &free() const { return free_; }
  /// One of them, now writing. Throws std::logic_error for a slot that is not free.
  void take(unsigned slot);

  /// The frame is complete and on its way to readers. A slot that is already published stays so:
  /// one frame may pass twice (behind a tee, say). Throws std::logic_error for a free slot.
  void publish(unsigned slot);

  /// The last reference is gone. Throws std::logic_error for a free slot.
  void release(unsigned slot);

  State state(unsigned slot) const { return states_.at(slot); }
  Counts counts() const;
  unsigned size() const { return static_cast<unsigned>(states_.size()); }

 private:
  std::vector<State> states_;
  std::deque<unsigned> free_;  // longest free first
};

}  // namespace cudacam
