// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Decoded reference picture marking (8.2.5).
#include "decode/h264_dpb.hpp"

namespace nvsim::decode::h264 {

namespace {

unsigned field_of(const SliceHeader &slice) {
  return !slice.field ? kBoth : slice.bottom ? kBottom : kTop;
}

}  // namespace

void PictureBuffer::update_wraps(int frame_num) {
  const int range = 1 << sps_.log2_max_frame_num;
  for (FrameStore &store : stores_)
    store.frame_num_wrap = store.frame_num > frame_num ? store.frame_num - range : store.frame_num;
}

void PictureBuffer::mark(const SliceHeader &slice) {
  FrameStore &current = *current_;
  const unsigned field = field_of(slice);
  if (slice.idr()) {
    for (FrameStore &store : stores_)
      if (&store != &current) store.unmark();
    (slice.long_term_reference ? current.long_term : current.short_term) |= field;
    current.long_term_idx = 0;
    return;
  }
  update_wraps(static_cast<int>(slice.frame_num));
  if (slice.adaptive_marking) {
    for (const Marking &marking : slice.markings) apply(marking, slice);
  } else if (!current.paired || current.short_term == kNone) {
    slide(&current);
  }
  if ((current.long_term & field) == 0) current.short_term |= field;
}

// 8.2.5.3
void PictureBuffer::slide(const FrameStore *except) {
  unsigned references = 0;
  FrameStore *oldest = nullptr;
  for (FrameStore &store : stores_) {
    if (&store == except || !store.used()) continue;
    references++;
    if (store.short_term != kNone &&
        (oldest == nullptr || store.frame_num_wrap < oldest->frame_num_wrap))
      oldest = &store;
  }
  if (references >= std::max(1u, sps_.num_ref_frames) && oldest != nullptr)
    oldest->short_term = kNone;
}

// 8.2.5.4
void PictureBuffer::apply(const Marking &marking, const SliceHeader &slice) {
  const unsigned field = field_of(slice);
  const int frame_num = static_cast<int>(slice.frame_num);
  const int current_num = slice.field ? 2 * frame_num + 1 : frame_num;
  switch (marking.operation) {
    case 1:
      unmark_short(current_num - static_cast<int>(marking.difference_of_pic_nums) - 1, field,
                   slice.field);
      break;
    case 2:
      unmark_long(static_cast<int>(marking.long_term_pic_num), field, slice.field);
      break;
    case 3:
      make_long(marking, slice);
      break;
    case 4:
      for (FrameStore &store : stores_)
        if (store.long_term_idx >= static_cast<int>(marking.max_long_term_idx))
          store.long_term = kNone;
      break;
    case 5:
      for (FrameStore &store : stores_)
        if (&store != current_) store.unmark();
      break;
    case 6:
      free_long_idx(static_cast<int>(marking.long_term_frame_idx), current_);
      current_->long_term |= field;
      current_->short_term &= ~field;
      current_->long_term_idx = static_cast<int>(marking.long_term_frame_idx);
      break;
    default:
      break;
  }
}

// Picture numbers of fields: twice the frame's, plus one for the parity of the current field.
void PictureBuffer::unmark_short(int pic_num, unsigned current_field, bool field) {
  for (FrameStore &store : stores_) {
    if (!field) {
      if (store.short_term == kBoth && store.frame_num_wrap == pic_num) store.short_term = kNone;
      continue;
    }
    for (const unsigned parity : {kTop, kBottom})
      if ((store.short_term & parity) != 0 &&
          2 * store.frame_num_wrap + (parity == current_field ? 1 : 0) == pic_num)
        store.short_term &= ~parity;
  }
}

void PictureBuffer::unmark_long(int pic_num, unsigned current_field, bool field) {
  for (FrameStore &store : stores_) {
    if (!field) {
      if (store.long_term == kBoth && store.long_term_idx == pic_num) store.long_term = kNone;
      continue;
    }
    for (const unsigned parity : {kTop, kBottom})
      if ((store.long_term & parity) != 0 &&
          2 * store.long_term_idx + (parity == current_field ? 1 : 0) == pic_num)
        store.long_term &= ~parity;
  }
}

void PictureBuffer::make_long(const Marking &marking, const SliceHeader &slice) {
  const unsigned current_field = field_of(slice);
  const int frame_num = static_cast<int>(slice.frame_num);
  const int idx = static_cast<int>(marking.long_term_frame_idx);
  const int pic_num = (slice.field ? 2 * frame_num + 1 : frame_num) -
                      static_cast<int>(marking.difference_of_pic_nums) - 1;
  for (FrameStore &store : stores_) {
    unsigned chosen = kNone;
    if (!slice.field) {
      if (store.short_term == kBoth && store.frame_num_wrap == pic_num) chosen = kBoth;
    } else {
      for (const unsigned parity : {kTop, kBottom})
        if ((store.short_term & parity) != 0 &&
            2 * store.frame_num_wrap + (parity == current_field ? 1 : 0) == pic_num)
          chosen = parity;
    }
    if (chosen == kNone) continue;
    free_long_idx(idx, &store);
    if (store.long_term != kNone && store.long_term_idx != idx) store.long_term = kNone;
    store.short_term &= ~chosen;
    store.long_term |= chosen;
    store.long_term_idx = idx;
    return;
  }
}

void PictureBuffer::free_long_idx(int idx, const FrameStore *except) {
  for (FrameStore &store : stores_)
    if (&store != except && store.long_term_idx == idx) store.long_term = kNone;
}

}  // namespace nvsim::decode::h264
