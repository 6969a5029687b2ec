// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/store.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
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

MemoryPtr allocate(SlotSource &source, Account &account) {
  account.add(source.bytes());
  try {
    return source.allocate();
  } catch (...) {
    account.remove(source.bytes());
    throw;
  }
}

}  // namespace

std::shared_ptr<Store> Store::create(std::unique_ptr<SlotSource> source, guint64 generation,
                                     SlotTable::Time reuse_delay, std::shared_ptr<Leaving> leaving,
                                     std::shared_ptr<Account> account) {
  auto overflow = allocate(*source, *account);
  gst_mini_object_set_qdata(GST_MINI_OBJECT_CAST(overflow.get()), overflow_quark(),
                            GINT_TO_POINTER(1), nullptr);
  return {new Store(std::move(source), std::move(overflow), generation, reuse_delay,
                    std::move(leaving), std::move(account)),
          end};
}

Store::Store(std::unique_ptr<SlotSource> source, MemoryPtr overflow, guint64 generation,
             SlotTable::Time reuse_delay, std::shared_ptr<Leaving> leaving,
             std::shared_ptr<Account> account)
    : source_(std::move(source)),
      leaving_(std::move(leaving)),
      session_(leaving_->session()),
      account_(std::move(account)),
      layout_(source_->layout()),
      frame_bytes_(source_->bytes()),
      overflow_(std::move(overflow)),
      generation_(generation),
      table_(reuse_delay) {
}

void Store::add_slot() {
  std::shared_ptr<SlotFence> fence = source_->make_fence();
  auto memory = allocate(*source_, *account_);  // last: it is accounted for from here on
  auto *object = GST_MINI_OBJECT_CAST(memory.get());
  if (fence) gst_cuda_cam_memory_set_fence(memory.get(), fence->handle());
  std::lock_guard one_at_a_time(taking_);
  std::lock_guard lock(mutex_);
  const auto index = table_.add();
  if (index == slots_.size()) slots_.emplace_back();
  auto &slot = slots_[index];
  slot = {this, index, nullptr, nullptr, memory.get(), std::move(fence)};
  gst_mini_object_set_qdata(object, slot_quark(), &slot, nullptr);
  object->dispose = revive;
  slot.memory = std::move(memory);
}

/// Of a slot that is not out.
Store::Remains Store::empty_locked(Slot &slot) {
  Remains remains{std::exchange(slot.memory, nullptr), std::exchange(slot.fence, nullptr)};
  slot.identity = nullptr;
  auto *object = GST_MINI_OBJECT_CAST(remains.memory.get());
  object->dispose = nullptr;
  gst_mini_object_steal_qdata(object, slot_quark());
  return remains;
}

/// Frees it, or leaves it behind: see SlotSource::device_works().
void Store::discard(Remains remains) const {
  if (!source_->device_works()) {
    (void)remains.memory.release();
    return;
  }
  if (remains.fence) remains.fence->settle();
  remains.memory.reset();
  account_->remove(frame_bytes_);
}

/// Upstream may still write there.
void Store::discard_overflow() {
  auto *object = GST_MINI_OBJECT_CAST(overflow_.get());
  if (source_->device_works() && GST_MINI_OBJECT_REFCOUNT_VALUE(object) > 1) {
    struct Last {
      std::shared_ptr<Account> account;
      gsize bytes;
    };
    const auto gone = [](gpointer data, GstMiniObject *) {
      const std::unique_ptr<Last> last(static_cast<Last *>(data));
      last->account->remove(last->bytes);
    };
    gst_mini_object_weak_ref(object, gone, new Last{account_, frame_bytes_});
    overflow_.reset();
  } else {
    discard({std::move(overflow_), nullptr});
  }
}

bool Store::in_use_by_gpu() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const Slot &slot) {
    try {
      return slot.fence && slot.fence->pending();
    } catch (const std::exception &) {
      return false;  // then there is nothing to wait for either
    }
  });
}

/// By the thread that waits for the GPU, as long as the element runs. Afterwards at once where
/// possible: who let the last frame go may end the context next.
void Store::end(Store *store) {
  const auto free = [store] { delete store; };
  if (!store->frees_elsewhere()) return free();
  if (store->leaving_->run_in(store->session_, store->bytes(), free)) return;
  if (store->in_use_by_gpu())
    store->leaving_->run(store->bytes(), free);
  else
    free();
}

Store::~Store() {
  // No slot is out: it would have kept us alive.
  for (auto &slot : slots_)
    if (slot.identity) discard(empty_locked(slot));
  discard_overflow();
}

unsigned Store::missing(unsigned wanted) const {
  std::lock_guard lock(mutex_);
  return table_.missing(wanted);
}

unsigned Store::attainable(unsigned wanted) const {
  std::lock_guard lock(mutex_);
  return table_.attainable(wanted);
}

void Store::supersede() {
  std::lock_guard lock(mutex_);
  superseded_ = true;
}

void Store::trim() {
  std::lock_guard one_at_a_time(taking_);
  std::unique_lock lock(mutex_);
  if (!superseded_) return;
  const auto free = table_.free();
  lock.unlock();
  for (const auto index : free) {
    auto &slot = slots_[index];
    try {
      if (slot.fence && slot.fence->pending()) continue;
    } catch (const std::exception &) {
      continue;  // it stays, since nobody can say whether it is used
    }
    lock.lock();
    table_.give_up(index);
    auto remains = std::make_shared<Remains>(empty_locked(slot));
    lock.unlock();
    // The job keeps what it frees, and us for what we know of the device.
    if (frees_elsewhere())
      leaving_->run(frame_bytes(),
                    [self = shared_from_this(), remains] { self->discard(std::move(*remains)); });
    else
      discard(std::move(*remains));
  }
}

void Store::reinstate(guint64 generation) {
  std::lock_guard lock(mutex_);
  generation_ = generation;
  superseded_ = false;
}

guint64 Store::generation() const {
  std::lock_guard lock(mutex_);
  return generation_;
}

BufferPtr Store::take(Writer writer) {
  std::lock_guard one_at_a_time(taking_);
  const auto choice =
      choose_slot(takeable(), [&](unsigned slot) { return readiness(slot, writer); });
  if (!choice) return wrap(MemoryPtr(gst_memory_ref(overflow_.get())));
  auto &slot = slots_[choice->slot];
  if (choice->wait) slot.fence->order(writer);
  if (slot.fence) slot.fence->begin_write(slot.identity);
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

/// With taking_ held.
const std::vector<unsigned> &Store::takeable() {
  std::lock_guard lock(mutex_);
  takeable_.clear();
  // The time is read with the lock, or a slot could have been released after it.
  if (!superseded_) table_.rested(std::chrono::steady_clock::now().time_since_epoch(), takeable_);
  return takeable_;
}

Readiness Store::readiness(unsigned slot, Writer writer) {
  const auto &fence = slots_[slot].fence;
  const auto answer = fence ? fence->readiness(writer) : Readiness::kReady;
  return answer == Readiness::kAfterWait && !writers_wait_ ? Readiness::kNotYet : answer;
}

unsigned Store::pending() const {
  std::vector<std::shared_ptr<SlotFence>> fences;
  {
    std::lock_guard lock(mutex_);
    for (const auto index : table_.free())
      if (slots_[index].fence) fences.push_back(slots_[index].fence);
  }
  return static_cast<unsigned>(std::count_if(fences.begin(), fences.end(), [](const auto &fence) {
    try {
      return fence->pending();
    } catch (const std::exception &) {
      return true;  // nobody can say: no frame will be written there either
    }
  }));
}

BufferPtr Store::wrap(MemoryPtr memory) const {
  gsize offset[GST_VIDEO_MAX_PLANES];  // the meta's constructor takes both as mutable
  gint stride[GST_VIDEO_MAX_PLANES];
  std::copy(std::begin(layout_.offset), std::end(layout_.offset), offset);
  std::copy(std::begin(layout_.stride), std::end(layout_.stride), stride);
  BufferPtr buffer(gst_buffer_new());
  gst_buffer_append_memory(buffer.get(), memory.release());
  gst_buffer_add_video_meta_full(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE,
                                 GST_VIDEO_INFO_FORMAT(&layout_), GST_VIDEO_INFO_WIDTH(&layout_),
                                 GST_VIDEO_INFO_HEIGHT(&layout_), GST_VIDEO_INFO_N_PLANES(&layout_),
                                 offset, stride);
  return buffer;
}

/// GstMiniObject's dispose: the last reference to a slot's memory is gone.
gboolean Store::revive(GstMiniObject *object) {
  auto *slot = static_cast<Slot *>(gst_mini_object_get_qdata(object, slot_quark()));
  MemoryPtr memory(GST_MEMORY_CAST(gst_mini_object_ref(object)));
  std::shared_ptr<Store> self;  // dies last, after the lock: it may be the store's end
  auto &store = *slot->store;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  {
    std::lock_guard lock(store.mutex_);
    self = std::move(slot->self);
    slot->memory = std::move(memory);
    store.table_.release(slot->index, now);
  }
  return FALSE;  // not to be freed
}

gsize Store::bytes() const {
  std::lock_guard lock(mutex_);
  gsize frames = 1;  // overflow
  for (const auto &slot : slots_)
    if (slot.identity) ++frames;
  return frames * frame_bytes_;
}

SlotTable::Counts Store::counts() const {
  std::lock_guard lock(mutex_);
  return table_.counts();
}

std::vector<Store::Use> Store::uses() const {
  std::vector<Use> result;
  std::lock_guard lock(mutex_);
  for (const auto &slot : slots_)
    if (slot.identity && !slot.memory)
      result.push_back(
          {slot.identity, static_cast<unsigned>(GST_MINI_OBJECT_REFCOUNT_VALUE(slot.identity))});
  return result;
}

Store::Slot *Store::slot_behind(GstMemory *memory) {
  return static_cast<Slot *>(mark(whole(memory), slot_quark()));
}

/// Of a frame that is all of a slot; null for others.
Store::Slot *Store::slot_of(GstBuffer *frame) {
  if (gst_buffer_n_memory(frame) != 1) return nullptr;
  auto *view = gst_buffer_peek_memory(frame, 0);
  auto *slot = slot_behind(view);
  return slot && view->offset == 0 && view->size == slot->store->layout_.size ? slot : nullptr;
}

Store::Origin Store::origin(GstBuffer *frame) {
  if (slot_of(frame)) return Origin::kSlot;
  for (guint i = 0; i < gst_buffer_n_memory(frame); ++i)
    if (mark(whole(gst_buffer_peek_memory(frame, i)), overflow_quark())) return Origin::kOverflow;
  return Origin::kForeign;
}

const Store *Store::owner(GstBuffer *frame) {
  return slot_of(frame)->store;
}

std::optional<guint64> Store::publish(GstBuffer *frame) {
  auto *slot = slot_of(frame);
  auto &store = *slot->store;
  std::lock_guard lock(store.mutex_);
  if (store.table_.state(slot->index) == SlotTable::State::kRetired) return std::nullopt;
  store.table_.publish(slot->index);
  return store.generation_;
}

bool Store::is_retired(GstBuffer *frame) {
  const auto *slot = slot_of(frame);
  auto &store = *slot->store;
  std::lock_guard lock(store.mutex_);
  return store.table_.state(slot->index) == SlotTable::State::kRetired;
}

void Store::retire(GstBuffer *frame) {
  auto *slot = slot_of(frame);
  auto &store = *slot->store;
  std::lock_guard lock(store.mutex_);
  store.table_.retire(slot->index);
}

SlotFence *Store::fence(GstBuffer *frame) {
  return slot_of(frame)->fence.get();
}

SlotFence *Store::fence_behind(GstMemory *memory) {
  const auto *slot = slot_behind(memory);
  return slot ? slot->fence.get() : nullptr;
}

}  // namespace cudacam
