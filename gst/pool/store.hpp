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
/// and never fails; several frames may be written to it at once, and nobody may read it.
///
/// Ownership: every slot that is out holds a reference to its store, so the store dies after its
/// last frame. All functions may be called from any thread.
#pragma once

#include <gst/video/video.h>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include "base/ptr.hpp"
#include "pool/slot-fence.hpp"
#include "pool/slot-table.hpp"

namespace cudacam {

/// Where slots come from. One call per slot, while a store is made, never later.
class SlotSource {
 public:
  virtual ~SlotSource() = default;
  /// Memory for one frame, mapped planes as in layout() afterwards. Throws ElementError with the
  /// sizes wanted and, where known, free.
  virtual MemoryPtr allocate() = 0;
  /// Format, strides and offsets of what allocate() returned.
  virtual const GstVideoInfo &layout() const = 0;
  /// What each allocate() takes of the device's memory; at least layout()'s size.
  virtual gsize bytes() const { return layout().size; }
  /// What orders a GPU's work on the slot; null where none works on it. Throws CudaError.
  virtual std::unique_ptr<SlotFence> make_fence() { return nullptr; }
};

class Store : public std::enable_shared_from_this<Store> {
 public:
  /// `slots` of memory plus the overflow slot. Throws what `source` throws.
  static std::shared_ptr<Store> create(SlotSource &source, unsigned slots, guint64 generation);
  ~Store();
  Store(const Store &) = delete;
  Store &operator=(const Store &) = delete;

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
  guint64 generation() const { return generation_; }
  /// Of all slots, overflow included.
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

  /// What a frame's memory is to us.
  enum class Origin { kForeign, kSlot, kOverflow };
  static Origin origin(GstBuffer *frame);
  /// The frame in a slot is complete. Returns the generation of its store. Only for Origin::kSlot.
  static guint64 publish(GstBuffer *frame);
  /// The fence of a frame's slot; null without one. Only for Origin::kSlot.
  static SlotFence *fence(GstBuffer *frame);

 private:
  struct Slot {
    Store *store;
    unsigned index;
    MemoryPtr memory;             // while free: the only reference; while out: null
    std::shared_ptr<Store> self;  // while out: what keeps the store alive
    GstMemory *identity;          // the same memory, always, not owned
    std::unique_ptr<SlotFence> fence;
  };

  Store(const SlotSource &source, unsigned slots, guint64 generation);
  void adopt_memory(unsigned index, MemoryPtr memory, std::unique_ptr<SlotFence> fence);
  std::vector<unsigned> free_slots() const;
  Readiness readiness(unsigned slot, Writer writer);
  BufferPtr wrap(MemoryPtr memory) const;
  static Slot *slot_of(GstBuffer *frame);
  static gboolean revive(GstMiniObject *memory);

  const GstVideoInfo layout_;
  const gsize slot_bytes_;
  const guint64 generation_;
  MemoryPtr overflow_;
  std::atomic<bool> writers_wait_{false};

  // Held while one is taken, before mutex_: what a GPU does is asked without mutex_, which readers
  // want, and a free slot that only one thread can take has no new readers meanwhile.
  std::mutex taking_;
  mutable std::mutex mutex_;  // guards all below; never held while calling out
  std::exception_ptr error_;
  SlotTable table_;
  std::vector<Slot> slots_;  // never resized: memories point to their slots
};

}  // namespace cudacam
