// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/store.hpp"

#include <algorithm>
#include <utility>

namespace cudacam {
namespace {

GQuark slot_quark() {
  static const GQuark quark = g_quark_from_static_string("cudacam-slot");
  return quark;
}

/// Set on the overflow slot's memory instead: no pointer, since that memory may outlive its store.
GQuark overflow_quark() {
  static const GQuark quark = g_quark_from_static_string("cudacam-overflow");
  return quark;
}

gpointer mark(GstMemory *memory, GQuark quark) {
  return gst_mini_object_get_qdata(GST_MINI_OBJECT_CAST(memory), quark);
}

/// The memory whose bytes these are: sub-memories share their parent's.
GstMemory *whole(GstMemory *memory) {
  while (memory->parent) memory = memory->parent;
  return memory;
}

GstMemory *memory_of(GstBuffer *frame) {
  return gst_buffer_n_memory(frame) == 1 ? whole(gst_buffer_peek_memory(frame, 0)) : nullptr;
}

}  // namespace

std::shared_ptr<Store> Store::create(SlotSource &source, unsigned slots, guint64 generation) {
  auto overflow = source.allocate();
  const std::shared_ptr<Store> store(new Store(source, slots, generation));
  for (unsigned index = 0; index < slots; ++index)
    store->adopt_memory(index, source.allocate(), source.make_fence());
  gst_mini_object_set_qdata(GST_MINI_OBJECT_CAST(overflow.get()), overflow_quark(),
                            GINT_TO_POINTER(1), nullptr);
  store->overflow_ = std::move(overflow);
  return store;
}

Store::Store(const SlotSource &source, unsigned slots, guint64 generation)
    : layout_(source.layout()),
      slot_bytes_(source.bytes()),
      generation_(generation),
      table_(slots),
      slots_(slots) {
}

void Store::adopt_memory(unsigned index, MemoryPtr memory, std::unique_ptr<SlotFence> fence) {
  auto &slot = slots_[index];
  slot.store = this;
  slot.index = index;
  slot.identity = memory.get();
  auto *object = GST_MINI_OBJECT_CAST(memory.get());
  gst_mini_object_set_qdata(object, slot_quark(), &slot, nullptr);
  object->dispose = revive;
  if (fence) gst_cuda_cam_memory_set_fence(memory.get(), fence->handle());
  slot.fence = std::move(fence);
  slot.memory = std::move(memory);
}

Store::~Store() {
  // All slots are free: one that is out would have kept us alive.
  for (auto &slot : slots_) {
    if (!slot.memory) continue;  // never filled: create() failed
    auto *object = GST_MINI_OBJECT_CAST(slot.memory.get());
    object->dispose = nullptr;
    gst_mini_object_steal_qdata(object, slot_quark());
  }
}

BufferPtr Store::take(Writer writer) {
  std::lock_guard one_at_a_time(taking_);
  const auto choice =
      choose_slot(free_slots(), [&](unsigned slot) { return readiness(slot, writer); });
  if (!choice) return wrap(MemoryPtr(gst_memory_ref(overflow_.get())));
  auto &slot = slots_[choice->slot];
  if (choice->wait) slot.fence->order(writer);
  if (slot.fence) slot.fence->begin_write();
  MemoryPtr memory;
  {
    std::lock_guard lock(mutex_);
    table_.take(choice->slot);
    slot.self = shared_from_this();
    memory = std::move(slot.memory);
  }
  // The last user may have narrowed the view of it.
  memory->offset = 0;
  memory->size = layout_.size;
  return wrap(std::move(memory));
}

BufferPtr Store::take_for_upstream() noexcept {
  try {
    return take(Writer::kUpstream);
  } catch (...) {
    std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }
  return wrap(MemoryPtr(gst_memory_ref(overflow_.get())));
}

void Store::rethrow() {
  std::unique_lock lock(mutex_);
  const auto error = std::exchange(error_, nullptr);
  lock.unlock();
  if (error) std::rethrow_exception(error);
}

std::vector<unsigned> Store::free_slots() const {
  std::lock_guard lock(mutex_);
  return {table_.free().begin(), table_.free().end()};
}

Readiness Store::readiness(unsigned slot, Writer writer) {
  const auto &fence = slots_[slot].fence;
  const auto answer = fence ? fence->readiness(writer) : Readiness::kReady;
  return answer == Readiness::kAfterWait && !writers_wait_ ? Readiness::kNotYet : answer;
}

unsigned Store::pending() const {
  const auto free = free_slots();
  return static_cast<unsigned>(std::count_if(free.begin(), free.end(), [&](unsigned slot) {
    const auto &fence = slots_[slot].fence;
    try {
      return fence && fence->pending();
    } catch (const std::exception &) {
      return true;  // nobody can say: no frame will be written there either
    }
  }));
}

BufferPtr Store::wrap(MemoryPtr memory) const {
  auto layout = layout_;  // the meta's constructor takes the arrays as mutable
  BufferPtr buffer(gst_buffer_new());
  gst_buffer_append_memory(buffer.get(), memory.release());
  gst_buffer_add_video_meta_full(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE,
                                 GST_VIDEO_INFO_FORMAT(&layout), GST_VIDEO_INFO_WIDTH(&layout),
                                 GST_VIDEO_INFO_HEIGHT(&layout), GST_VIDEO_INFO_N_PLANES(&layout),
                                 layout.offset, layout.stride);
  return buffer;
}

/// GstMiniObject's dispose: the last reference to a slot's memory is gone.
gboolean Store::revive(GstMiniObject *object) {
  auto *slot = static_cast<Slot *>(gst_mini_object_get_qdata(object, slot_quark()));
  MemoryPtr memory(GST_MEMORY_CAST(gst_mini_object_ref(object)));
  std::shared_ptr<Store> self;  // dies last, after the lock: it may be the store's end
  auto &store = *slot->store;
  {
    std::lock_guard lock(store.mutex_);
    self = std::move(slot->self);
    slot->memory = std::move(memory);
    store.table_.release(slot->index);
  }
  return FALSE;  // not to be freed
}

gsize Store::bytes() const {
  return slot_bytes_ * (slots_.size() + 1);
}

SlotTable::Counts Store::counts() const {
  std::lock_guard lock(mutex_);
  return table_.counts();
}

std::vector<Store::Use> Store::uses() const {
  std::vector<Use> result;
  std::lock_guard lock(mutex_);
  for (const auto &slot : slots_)
    if (!slot.memory)
      result.push_back(
          {slot.identity, static_cast<unsigned>(GST_MINI_OBJECT_REFCOUNT_VALUE(slot.identity))});
  return result;
}

Store::Slot *Store::slot_of(GstBuffer *frame) {
  auto *memory = memory_of(frame);
  return memory ? static_cast<Slot *>(mark(memory, slot_quark())) : nullptr;
}

Store::Origin Store::origin(GstBuffer *frame) {
  if (slot_of(frame)) return Origin::kSlot;
  auto *memory = memory_of(frame);
  return memory && mark(memory, overflow_quark()) ? Origin::kOverflow : Origin::kForeign;
}

guint64 Store::publish(GstBuffer *frame) {
  auto *slot = slot_of(frame);
  auto &store = *slot->store;
  std::lock_guard lock(store.mutex_);
  store.table_.publish(slot->index);
  return store.generation_;
}

SlotFence *Store::fence(GstBuffer *frame) {
  return slot_of(frame)->fence.get();
}

}  // namespace cudacam
