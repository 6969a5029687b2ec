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
/// last frame; while a GPU still works on a slot, on a thread of its own, since whoever let the
/// frame go is not to wait for that. All functions may be called from any thread.
#pragma once

#include <gst/video/video.h>

#include <atomic>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <vector>

#include "base/patient-mutex.hpp"
#include "base/ptr.hpp"
#include "pool/account.hpp"
#include "pool/leaving.hpp"
#include "pool/slot-fence.hpp"
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
  /// What each allocate() takes of the device's memory; at least layout()'s size.
  virtual gsize bytes() const { return layout().size; }
  /// What orders a GPU's work on the slot; null where none works on it. Throws CudaError.
  virtual std::unique_ptr<SlotFence> make_fence() { return nullptr; }
  /// Whether freeing the memory may wait for a GPU's work.
  virtual bool freeing_waits() const { return false; }
  /// False when the device is beyond use: its memory is then left behind rather than freed, which
  /// would call the driver. Any thread.
  virtual bool device_works() const { return true; }
};

class Store : public std::enable_shared_from_this<Store> {
 public:
  /// Only the overflow slot. Throws what `source` throws.
  static std::shared_ptr<Store> create(
      std::unique_ptr<SlotSource> source, guint64 generation, SlotTable::Time reuse_delay,
      std::shared_ptr<Leaving> leaving = std::make_shared<Leaving>(),
      std::shared_ptr<Account> account = std::make_shared<Account>());
  Store(const Store &) = delete;
  Store &operator=(const Store &) = delete;

  /// One more slot. Throws what the source throws. One thread at a time.
  void add_slot();
  /// How many slots are to be added for `wanted`; see SlotTable.
  unsigned missing(unsigned wanted) const;
  unsigned attainable(unsigned wanted) const;

  /// No frames of this kind come any more: no slot is written.
  void supersede();
  /// Frees the slots that are free and that no GPU works on, after supersede().
  void trim();
  /// Frames of this kind come again.
  void reinstate(guint64 generation);

  /// A buffer over a slot for `writer`, with its GstVideoMeta: the one that has been free for
  /// longest of those that no GPU works on any more; one that `writer` waits for on the GPU, when
  /// there is none; over the overflow slot when there is none either. Never blocks. Throws
  /// CudaError; then nothing was taken.
  BufferPtr take(Writer writer);
  /// The same for upstream, which must not fail: after an error it gets the overflow slot, and the
  /// error is kept for rethrow().
  BufferPtr take_for_upstream() noexcept;
  /// Throws the first error that was kept, once.
  void rethrow();
  /// Whether writers may be made to wait on the GPU for readers: not when their frames are then
  /// waited for by a thread.
  void let_writers_wait(bool may) { writers_wait_ = may; }

  const GstVideoInfo &layout() const { return layout_; }
  /// The number under which frames are published now: it rises when the store is reinstated.
  guint64 generation() const;
  /// Of one slot, rounded as the device rounds.
  gsize frame_bytes() const { return frame_bytes_; }
  /// Of all slots, overflow and retired ones included.
  gsize bytes() const;
  SlotTable::Counts counts() const;
  /// How many free slots a GPU still works on.
  unsigned pending() const;

  /// A slot that is not free. `memory` identifies it and must not be touched.
  struct Use {
    const GstMemory *memory;
    unsigned references;
  };
  std::vector<Use> uses() const;

  /// What a frame's memory is to us. A part of a slot, or slots with something else, are foreign:
  /// another picture, of which nobody else says how long it is in use.
  enum class Origin { kForeign, kSlot, kOverflow };
  static Origin origin(GstBuffer *frame);
  /// The store of a frame's slot, as long as the frame is held. Only for Origin::kSlot.
  static const Store *owner(GstBuffer *frame);
  /// The frame in a slot is complete. Returns the generation of its store; nothing when the slot is
  /// retired, by another element that the frame came to. Only for Origin::kSlot.
  static std::optional<guint64> publish(GstBuffer *frame);
  /// Only for Origin::kSlot.
  static bool is_retired(GstBuffer *frame);
  /// The frame in a slot could not be written: the slot is never used again. Only for
  /// Origin::kSlot.
  static void retire(GstBuffer *frame);
  /// The fence of a frame's slot; null without one. Only for Origin::kSlot.
  static SlotFence *fence(GstBuffer *frame);
  /// The fence of the slot that `memory` is, or is a part of; null without one.
  static SlotFence *fence_behind(GstMemory *memory);

 private:
  struct Slot {
    Store *store;
    unsigned index;
    MemoryPtr memory;             // while free, or retired: the only reference; while out: null
    std::shared_ptr<Store> self;  // while out: what keeps the store alive
    GstMemory *identity;          // the same memory, not owned; null in an empty place
    std::shared_ptr<SlotFence> fence;
  };
  /// What is left of a slot that was given up.
  struct Remains {
    MemoryPtr memory;
    std::shared_ptr<SlotFence> fence;
  };

  Store(std::unique_ptr<SlotSource> source, MemoryPtr overflow, guint64 generation,
        SlotTable::Time reuse_delay, std::shared_ptr<Leaving> leaving,
        std::shared_ptr<Account> account);
  ~Store();
  static void end(Store *store);
  bool in_use_by_gpu() const;
  BufferPtr wrap(MemoryPtr memory) const;
  const std::vector<unsigned> &takeable();
  Readiness readiness(unsigned slot, Writer writer);
  Remains empty_locked(Slot &slot);
  void discard(Remains remains) const;
  void discard_overflow();
  bool frees_elsewhere() const { return source_->freeing_waits() && source_->device_works(); }
  static Slot *slot_behind(GstMemory *memory);
  static Slot *slot_of(GstBuffer *frame);
  static gboolean revive(GstMiniObject *memory);

  const std::unique_ptr<SlotSource> source_;
  const std::shared_ptr<Leaving> leaving_;
  const unsigned session_;  // in which it was made
  const std::shared_ptr<Account> account_;
  const GstVideoInfo layout_;
  const gsize frame_bytes_;
  MemoryPtr overflow_;
  std::atomic<bool> writers_wait_{false};

  // Held while one is taken, added or given up, before mutex_: what a GPU does is asked without
  // mutex_, which readers want, and a free slot that only one thread can take has no new readers
  // meanwhile.
  std::mutex taking_;
  std::vector<unsigned> takeable_;  // of the frame that is being taken; guarded by taking_
  mutable PatientMutex mutex_;      // guards all below; never held while calling out
  guint64 generation_;
  bool superseded_ = false;
  std::exception_ptr error_;
  SlotTable table_;
  std::deque<Slot> slots_;  // grows only, under both locks: memories point to their slots
};

}  // namespace cudacam
