// SPDX-License-Identifier: LGPL-2.1-or-later
/// A fixed number of frame slots of one format, on one backend, that outlives whoever uses it.
///
/// A slot *is* a GstMemory. While it is free the store owns it; take() hands it out, and when its
/// last reference goes, from whatever thread, the memory is revived instead of freed and the slot
/// is free again. So it does not matter what became of the GstBuffer, the pool, the decoder, the
/// element or the pipeline in between: shallow copies, shared regions and late readers all keep the
/// slot.
///
/// One more slot, *overflow*, is written when all others are held, so that upstream never blocks
/// and never fails; several frames may be written to it at once, and nobody may read it. It is
/// there from the beginning; the slots are added as far as there is memory.
///
/// Ownership: every slot that is out holds a reference to its store, so the store dies after its
/// last frame. All functions may be called from any thread.
#pragma once

#include <gst/video/video.h>

#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "base/ptr.hpp"
#include "pool/slot-table.hpp"

namespace cudacam {

/// There is not enough memory now; what() says what was tried and, where known, how much is free.
class NoMemory : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where slots come from. Owned by their store; called by one thread at a time.
class SlotSource {
 public:
  virtual ~SlotSource() = default;
  /// Memory for one frame, mapped planes as in layout() afterwards. Throws NoMemory, or another
  /// std::runtime_error when the device says something else.
  virtual MemoryPtr allocate() = 0;
  /// Format, strides and offsets of what allocate() returned.
  virtual const GstVideoInfo &layout() const = 0;
  /// False when the device is beyond use: its memory is then left behind rather than freed, which
  /// would call the driver. Any thread.
  virtual bool device_works() const { return true; }
};

class Store : public std::enable_shared_from_this<Store> {
 public:
  /// Only the overflow slot. Throws what `source` throws.
  static std::shared_ptr<Store> create(std::unique_ptr<SlotSource> source, guint64 generation,
                                       SlotTable::Time reuse_delay);
  ~Store();
  Store(const Store &) = delete;
  Store &operator=(const Store &) = delete;

  /// One more slot. Throws what the source throws. One thread at a time.
  void add_slot();
  /// How many slots are to be added for `wanted`; see SlotTable.
  unsigned missing(unsigned wanted) const;
  unsigned attainable(unsigned wanted) const;

  /// Frames of another kind come: frees what is free now, and each slot as it is released.
  void supersede();
  /// Frames of this kind come again.
  void reinstate(guint64 generation);

  /// A buffer over the slot that has been free for longest, with its GstVideoMeta; over the
  /// overflow slot when none is free. Takes no GPU work and never waits.
  BufferPtr take();

  const GstVideoInfo &layout() const { return layout_; }
  /// The number under which frames are published now: it rises when the store is reinstated.
  guint64 generation() const;
  /// Of one slot, rounded as the device rounds.
  gsize frame_bytes() const { return layout_.size; }
  /// Of all slots, overflow and retired ones included.
  gsize bytes() const;
  SlotTable::Counts counts() const;

  /// A slot that is not free. `memory` identifies it and must not be touched.
  struct Use {
    const GstMemory *memory;
    unsigned references;
  };
  std::vector<Use> uses() const;

  /// What a frame's memory is to us.
  enum class Origin { kForeign, kSlot, kOverflow };
  static Origin origin(GstBuffer *frame);
  /// The frame in a slot is complete. Returns the generation of its store. Only for Origin::kSlot.
  static guint64 publish(GstBuffer *frame);
  /// The frame in a slot could not be written: the slot is never used again. Only for
  /// Origin::kSlot.
  static void retire(GstBuffer *frame);

 private:
  struct Slot {
    Store *store;
    unsigned index;
    MemoryPtr memory;             // while free, or retired: the only reference; while out: null
    std::shared_ptr<Store> self;  // while out: what keeps the store alive
    GstMemory *identity;          // the same memory, not owned; null in an empty place
  };

  Store(std::unique_ptr<SlotSource> source, MemoryPtr overflow, guint64 generation,
        SlotTable::Time reuse_delay);
  BufferPtr wrap(MemoryPtr memory) const;
  MemoryPtr detach_locked(Slot &slot);
  void discard(MemoryPtr memory) const;
  static Slot *slot_of(GstBuffer *frame);
  static gboolean dispose(GstMiniObject *memory);

  const std::unique_ptr<SlotSource> source_;
  const GstVideoInfo layout_;
  MemoryPtr overflow_;

  mutable std::mutex mutex_;  // guards all below; never held while calling out
  guint64 generation_;
  SlotTable table_;
  std::deque<Slot> slots_;  // grows only: memories point to their slots
};

}  // namespace cudacam
