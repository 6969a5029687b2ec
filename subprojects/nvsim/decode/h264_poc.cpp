// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "decode/h264_dpb.hpp"

namespace nvsim::decode::h264 {

std::array<int, 2> PocCounter::next(const SliceHeader &slice, const Sps &sps) {
  return sps.poc_type == 0 ? by_lsb(slice, sps) : by_frame(slice, sps);
}

// 8.2.1.1
std::array<int, 2> PocCounter::by_lsb(const SliceHeader &slice, const Sps &sps) {
  if (slice.idr()) previous_msb_ = previous_lsb_ = 0;
  const int lsb = static_cast<int>(slice.poc_lsb), range = 1 << sps.log2_max_poc_lsb;
  msb_ = previous_msb_;
  if (lsb < previous_lsb_ && previous_lsb_ - lsb >= range / 2) msb_ += range;
  if (lsb > previous_lsb_ && lsb - previous_lsb_ > range / 2) msb_ -= range;
  const int count = msb_ + lsb;
  return {count, slice.field ? count : count + slice.delta_poc_bottom};
}

// 8.2.1.2 and 8.2.1.3
std::array<int, 2> PocCounter::by_frame(const SliceHeader &slice, const Sps &sps) {
  const int frame_num = static_cast<int>(slice.frame_num);
  const int previous_offset = previous_reset_ ? 0 : previous_offset_;
  offset_ = slice.idr()                       ? 0
            : previous_frame_num_ > frame_num ? previous_offset + (1 << sps.log2_max_frame_num)
                                              : previous_offset;
  int absolute = offset_ + frame_num;
  const bool reference = slice.reference_idc != 0;
  if (sps.poc_type == 2) {
    const int count = slice.idr() ? 0 : 2 * absolute - (reference ? 0 : 1);
    return {count, count};
  }
  const int cycle = static_cast<int>(sps.offset_for_ref.size());
  if (cycle == 0) absolute = 0;
  if (!reference && absolute > 0) absolute--;
  int expected = 0;
  if (absolute > 0) {
    int sum = 0;
    for (const int offset : sps.offset_for_ref) sum += offset;
    expected = (absolute - 1) / cycle * sum;
    for (int i = 0; i <= (absolute - 1) % cycle; i++) expected += sps.offset_for_ref[i];
  }
  if (!reference) expected += sps.offset_for_non_ref;
  const int top = expected + slice.delta_poc[0];
  if (slice.field) {
    const int bottom = expected + sps.offset_top_to_bottom + slice.delta_poc[0];
    return {top, bottom};
  }
  return {top, top + sps.offset_top_to_bottom + slice.delta_poc[1]};
}

void PocCounter::done(const SliceHeader &slice, const std::array<int, 2> &poc) {
  previous_reset_ = slice.resets();
  previous_offset_ = offset_;
  previous_frame_num_ = previous_reset_ ? 0 : static_cast<int>(slice.frame_num);
  if (slice.reference_idc == 0) return;
  if (previous_reset_) {
    previous_msb_ = 0;
    previous_lsb_ = slice.bottom ? 0 : poc[0];
  } else {
    previous_msb_ = msb_;
    previous_lsb_ = static_cast<int>(slice.poc_lsb);
  }
}

int FrameStore::order() const {
  if (fields == kTop) return poc[0];
  if (fields == kBottom) return poc[1];
  return std::min(poc[0], poc[1]);
}

}  // namespace nvsim::decode::h264
