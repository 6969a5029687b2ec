// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/h264_dpb.hpp"

#include <algorithm>

namespace nvsim::decode::h264 {

template <typename Match>
FrameStore *PictureBuffer::find(Match match) {
  const auto found = std::find_if(stores_.begin(), stores_.end(), match);
  return found == stores_.end() ? nullptr : &*found;
}

void PictureBuffer::start_sequence(const Sps &sps, unsigned capacity) {
  sps_ = sps;
  capacity_ = std::clamp(capacity, 1u, kStores);
  previous_ref_frame_num_ = 0;
}

void PictureBuffer::flush() {
  for (FrameStore &store : stores_) store.unmark();
  spare_.unmark();
  while (bump()) {
  }
  empty_idle();
}

void PictureBuffer::reset() {
  stores_.fill(FrameStore{});
  spare_ = FrameStore{};
  current_ = &spare_;
  started_ = false;
  poc_.reset();
  previous_ref_frame_num_ = 0;
}

bool PictureBuffer::completes_frame(const SliceHeader &slice) const {
  const FrameStore &first = *current_;
  if (!slice.field || first.fields != (slice.bottom ? kTop : kBottom)) return false;
  // Unreferenced ones make a frame even when their numbers differ, measured.
  if (!first.reference) return slice.reference_idc == 0;
  return slice.reference_idc != 0 && !slice.idr() && !slice.resets() &&
         first.frame_num == static_cast<int>(slice.frame_num);
}

bool PictureBuffer::start_picture(const SliceHeader &slice,
                                  const std::function<PicturePtr()> &acquire) {
  slice_ = slice;
  fill_gap(slice);
  const bool second = completes_frame(slice);
  if (!second) {
    if (current_ == &spare_ && spare_.waiting != kNone) show(spare_);  // an unpaired field
    spare_ = FrameStore{};
    current_ = &spare_;
    empty_idle();
    current_->picture = acquire();
    current_->reference = slice.reference_idc != 0;
    current_->frame_num = static_cast<int>(slice.frame_num);
  }
  current_->paired = second;
  const std::array<int, 2> poc = poc_.next(slice, sps_);
  if (!slice.field || !slice.bottom) current_->poc[0] = poc[0];
  if (!slice.field || slice.bottom) current_->poc[1] = poc[1];
  started_ = true;
  return second;
}

// 8.2.5.2: frames that the stream says were there, or that were lost on the way.
void PictureBuffer::fill_gap(const SliceHeader &slice) {
  if (slice.idr()) previous_ref_frame_num_ = 0;
  const int range = 1 << sps_.log2_max_frame_num;
  const int frame_num = static_cast<int>(slice.frame_num);
  if (frame_num != previous_ref_frame_num_) {
    const int count = (frame_num - previous_ref_frame_num_ - 1 + range) % range;
    // The others would leave room for these and for the picture itself (measured).
    const int most = std::max(1, static_cast<int>(sps_.num_ref_frames) - 1);
    const int first = previous_ref_frame_num_ + 1 + std::max(0, count - most);
    for (int missing = first % range; missing != frame_num; missing = (missing + 1) % range) {
      if (sps_.gaps_allowed || sps_.num_ref_frames > 1) add_missing_frame(missing);
      previous_ref_frame_num_ = missing;
    }
  }
  // Some encoders count frames that are no references too.
  if (slice.resets()) {
    previous_ref_frame_num_ = 0;
  } else if (slice.reference_idc != 0 || frame_num == (previous_ref_frame_num_ + 1) % range) {
    previous_ref_frame_num_ = frame_num;
  }
}

void PictureBuffer::add_missing_frame(int frame_num) {
  update_wraps(frame_num);
  slide(nullptr);
  current_ = &spare_;
  empty_idle();
  while (held() >= capacity_ && bump()) {
  }
  FrameStore *store = free_store();
  if (store == nullptr) return;
  *store = FrameStore{};
  store->frame_num = frame_num;
  store->short_term = kBoth;
  store->reference = store->not_existing = true;
  store->fields = kBoth;
}

void PictureBuffer::finish_picture() {
  if (!started_) return;
  started_ = false;
  if (slice_.reference_idc != 0) mark(slice_);
  if (slice_.resets()) {
    FrameStore &now = *current_;
    const int base = slice_.field ? now.poc[slice_.bottom] : std::min(now.poc[0], now.poc[1]);
    for (int &poc : now.poc) poc -= base;
    now.frame_num = now.frame_num_wrap = 0;
  }
  poc_.done(slice_, current_->poc);
  if (slice_.idr() && slice_.no_output_of_prior && !current_->paired)
    for (FrameStore &store : stores_)
      if (&store != current_) store = FrameStore{};
  empty_idle();
  if ((slice_.idr() && !current_->paired) || slice_.resets())
    while (bump()) {
    }
  store_current();
  limit_reordering();
}

// C.4.5.1 and C.4.5.2
void PictureBuffer::store_current() {
  const unsigned field = !slice_.field ? kBoth : slice_.bottom ? kBottom : kTop;
  if (current_->fields == kNone) {
    while (held() >= capacity_) {
      if (slice_.reference_idc == 0 && shows_at_once()) break;
      if (!bump()) break;
    }
    FrameStore *store = held() < capacity_ ? free_store() : nullptr;
    if (store != nullptr) {
      *store = *current_;
      spare_ = FrameStore{};
      current_ = store;
    }
  }
  current_->fields |= field;
  current_->waiting |= field;
  // What found no place is shown at once; a first field waits for its second.
  if (current_ == &spare_ && (!slice_.field || current_->paired)) show(spare_);
}

// Nothing that waits comes before the current picture.
bool PictureBuffer::shows_at_once() const {
  return std::none_of(stores_.begin(), stores_.end(), [this](const FrameStore &store) {
    const int mine =
        slice_.field ? current_->poc[slice_.bottom] : std::min(current_->poc[0], current_->poc[1]);
    return store.waiting != kNone && store.order() <= mine;
  });
}

void PictureBuffer::show(FrameStore &store) {
  store.waiting = kNone;
  if (store.picture == nullptr) return;
  if (store.fields != kBoth) {
    store.picture->fields = 1;
    store.picture->repeat_first_field = -1;
  }
  output_(store.picture);
}

// C.4.5.3: makes room by showing the first in order. False when nothing is left to be shown and
// nothing could be dropped.
bool PictureBuffer::bump() {
  FrameStore *first = nullptr;
  for (FrameStore &store : stores_)
    if (store.waiting != kNone && (first == nullptr || store.order() < first->order()))
      first = &store;
  if (first == nullptr && spare_.waiting != kNone) first = &spare_;
  if (first != nullptr) {
    show(*first);
    if (first == &spare_) {
      spare_ = FrameStore{};
    } else if (!first->used()) {
      const bool in_work = first == current_;
      *first = FrameStore{};
      if (in_work) current_ = &spare_;
    }
    return true;
  }
  // Only references are left: a broken stream. The oldest that never existed goes, else the oldest.
  if (held() < capacity_) return false;
  FrameStore *victim = nullptr;
  for (FrameStore &store : stores_) {
    if (store.fields == kNone) continue;
    const auto key = [](const FrameStore &s) {
      return std::pair(!s.not_existing, s.not_existing ? s.frame_num : s.order());
    };
    if (victim == nullptr || key(store) < key(*victim)) victim = &store;
  }
  if (victim == nullptr) return false;
  *victim = FrameStore{};
  return true;
}

// Frames wait no longer than the stream's reordering asks for.
void PictureBuffer::limit_reordering() {
  if (sps_.reorder_frames >= kStores) return;
  unsigned frames = 0;
  FrameStore *first = nullptr;
  for (FrameStore &store : stores_) {
    if (store.waiting == kBoth) frames++;
    if (store.waiting != kNone && (first == nullptr || store.order() < first->order()))
      first = &store;
  }
  if (frames > sps_.reorder_frames && first != nullptr && first->waiting == kBoth) show(*first);
}

void PictureBuffer::empty_idle() {
  for (FrameStore &store : stores_)
    if (store.fields != kNone && store.idle() && &store != current_) store = FrameStore{};
}

FrameStore *PictureBuffer::free_store() {
  return find([](const FrameStore &store) { return store.fields == kNone; });
}

unsigned PictureBuffer::held() const {
  return static_cast<unsigned>(std::count_if(
      stores_.begin(), stores_.end(), [](const FrameStore &s) { return s.fields != kNone; }));
}

}  // namespace nvsim::decode::h264
