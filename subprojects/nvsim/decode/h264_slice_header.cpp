// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "decode/h264_syntax.hpp"

namespace nvsim::decode::h264 {

namespace {

// No slice header is longer, reference list changes and weights included.
constexpr std::size_t kLongestHeader = 2048;

Bytes header_bytes(Span nal) {
  return unescape({nal.data + 1, std::min(nal.size, kLongestHeader) - 1});
}

bool is_b(unsigned type) {
  return type % 5 == 1;
}
bool is_p(unsigned type) {
  return type % 5 == 0 || type % 5 == 3;
}

void skip_list_modification(BitReader &in, unsigned type) {
  const int lists = is_b(type) ? 2 : is_p(type) ? 1 : 0;
  for (int list = 0; list < lists; list++) {
    if (!in.flag()) continue;
    while (in.ue() != 3 && !in.overrun()) in.ue();
  }
}

void skip_weights(BitReader &in, unsigned type, const Sps &sps,
                  const std::array<unsigned, 2> &refs) {
  const bool chroma = sps.chroma_format != 0 && !sps.separate_planes;
  in.ue();
  if (chroma) in.ue();
  for (int list = 0; list < (is_b(type) ? 2 : 1); list++) {
    for (unsigned i = 0; i < refs[list] && !in.overrun(); i++) {
      if (in.flag()) {
        in.se();
        in.se();
      }
      if (chroma && in.flag())
        for (int value = 0; value < 4; value++) in.se();
    }
  }
}

void read_marking(BitReader &in, SliceHeader &slice) {
  if (slice.idr()) {
    slice.no_output_of_prior = in.flag();
    slice.long_term_reference = in.flag();
    return;
  }
  slice.adaptive_marking = in.flag();
  if (!slice.adaptive_marking) return;
  for (;;) {
    Marking marking;
    marking.operation = in.ue();
    if (marking.operation == 0 || in.overrun()) return;
    if (marking.operation == 1 || marking.operation == 3) marking.difference_of_pic_nums = in.ue();
    if (marking.operation == 2) marking.long_term_pic_num = in.ue();
    if (marking.operation == 3 || marking.operation == 6) marking.long_term_frame_idx = in.ue();
    if (marking.operation == 4) marking.max_long_term_idx = in.ue();
    slice.markings.push_back(marking);
  }
}

}  // namespace

unsigned pps_id_of_slice(Span nal) {
  if (nal.size < 2) return ~0u;
  const Bytes rbsp = unescape({nal.data + 1, std::min<std::size_t>(nal.size - 1, 32)});
  BitReader in(rbsp);
  in.ue();
  in.ue();
  return in.ue();
}

std::optional<SliceHeader> parse_slice_header(Span nal, const Sps &sps, const Pps &pps) {
  if (nal.size < 2) return std::nullopt;
  const Bytes rbsp = header_bytes(nal);
  BitReader in(rbsp);
  SliceHeader slice;
  const NalHeader header = nal_header(nal);
  slice.nal_type = header.type;
  slice.reference_idc = header.reference_idc;
  slice.first_mb = in.ue();
  slice.type = in.ue();
  slice.pps_id = in.ue();
  if (sps.separate_planes) in.skip(2);
  slice.frame_num = in.bits(sps.log2_max_frame_num);
  if (!sps.frame_mbs_only) {
    slice.field = in.flag();
    if (slice.field) slice.bottom = in.flag();
  }
  if (slice.idr()) slice.idr_id = in.ue();
  if (sps.poc_type == 0) {
    slice.poc_lsb = in.bits(sps.log2_max_poc_lsb);
    if (pps.bottom_field_poc && !slice.field) slice.delta_poc_bottom = in.se();
  } else if (sps.poc_type == 1 && !sps.delta_poc_always_zero) {
    slice.delta_poc[0] = in.se();
    if (pps.bottom_field_poc && !slice.field) slice.delta_poc[1] = in.se();
  }
  if (pps.redundant_pic_cnt) slice.redundant_pic_cnt = in.ue();
  if (is_b(slice.type)) in.skip(1);  // direct_spatial_mv_pred_flag
  std::array<unsigned, 2> refs = {pps.refs_l0, pps.refs_l1};
  if ((is_p(slice.type) || is_b(slice.type)) && in.flag()) {
    refs[0] = in.ue() + 1;
    if (is_b(slice.type)) refs[1] = in.ue() + 1;
  }
  if (slice.type > 9 || refs[0] > 32 || refs[1] > 32) return std::nullopt;
  skip_list_modification(in, slice.type);
  if ((pps.weighted && is_p(slice.type)) || (pps.weighted_bi == 1 && is_b(slice.type)))
    skip_weights(in, slice.type, sps, refs);
  if (slice.reference_idc != 0) read_marking(in, slice);
  if (in.overrun()) return std::nullopt;
  return slice;
}

bool SliceHeader::resets() const {
  return std::any_of(markings.begin(), markings.end(),
                     [](const Marking &marking) { return marking.operation == 5; });
}

bool starts_new_picture(const SliceHeader &previous, const SliceHeader &next, const Sps &sps) {
  if (previous.frame_num != next.frame_num || previous.pps_id != next.pps_id ||
      previous.field != next.field || previous.bottom != next.bottom ||
      (previous.reference_idc == 0) != (next.reference_idc == 0) || previous.idr() != next.idr())
    return true;
  if (next.idr() && previous.idr_id != next.idr_id) return true;
  if (sps.poc_type == 0)
    return previous.poc_lsb != next.poc_lsb || previous.delta_poc_bottom != next.delta_poc_bottom;
  return previous.delta_poc != next.delta_poc;
}

}  // namespace nvsim::decode::h264
