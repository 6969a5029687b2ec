// SPDX-License-Identifier: LGPL-2.1-or-later
//
// H.264 syntax: sequence and picture parameter sets and the slice header (clauses 7.3 and 7.4).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "decode/bits.hpp"
#include "decode/sequence.hpp"

namespace nvsim::decode::h264 {

enum NalType : unsigned {
  kSlice = 1,
  kSliceA = 2,
  kIdrSlice = 5,
  kSei = 6,
  kSps = 7,
  kPps = 8,
  kDelimiter = 9,
  kEndOfSequence = 10,
};

struct NalHeader {
  unsigned reference_idc = 0;
  unsigned type = 0;
};
NalHeader nal_header(Span nal);

// Scaling lists in zigzag order, fall-back rules applied.
struct ScalingLists {
  std::array<std::array<std::uint8_t, 16>, 6> small;
  std::array<std::array<std::uint8_t, 64>, 6> large;
};
ScalingLists flat_lists();

struct Sps {
  unsigned id = 0, profile = 0, constraints = 0, level = 0;
  unsigned chroma_format = 1, depth_luma = 8, depth_chroma = 8;
  bool separate_planes = false, lossless_bypass = false;
  bool has_lists = false;
  ScalingLists lists;
  unsigned log2_max_frame_num = 4;
  unsigned poc_type = 0, log2_max_poc_lsb = 4;
  bool delta_poc_always_zero = false;
  int offset_for_non_ref = 0, offset_top_to_bottom = 0;
  std::vector<int> offset_for_ref;
  unsigned num_ref_frames = 0;
  bool gaps_allowed = false;
  unsigned width_in_mbs = 0, height_in_map_units = 0;
  bool frame_mbs_only = true, mbaff = false, direct_8x8 = false;
  Crop crop;
  bool has_vui = false;
  VideoUsability vui;
  unsigned reorder_frames = 16;   // at most this many wait to be shown; 16: no limit of its own
  unsigned buffered_frames = 16;  // what the stream says that the picture buffer has to hold
  unsigned level_frames = 16;     // what its level allows

  unsigned height_in_mbs() const { return height_in_map_units * (frame_mbs_only ? 1 : 2); }
};
std::optional<Sps> parse_sps(Span nal);

struct Pps {
  unsigned id = 0, sps_id = 0;
  bool cabac = false, bottom_field_poc = false;
  unsigned slice_groups = 1;
  unsigned refs_l0 = 1, refs_l1 = 1;
  bool weighted = false;
  unsigned weighted_bi = 0;
  int init_qp = 0, init_qs = 0, chroma_qp_offset = 0, second_chroma_qp_offset = 0;
  bool deblocking_control = false, constrained_intra = false, redundant_pic_cnt = false;
  bool transform_8x8 = false;
  ScalingLists lists;
};
// Needs the parameter set's SPS for its scaling lists; `find_sps` answers nullptr when it is
// unknown.
template <typename FindSps>
std::optional<Pps> parse_pps(Span nal, FindSps &&find_sps);
std::optional<Pps> parse_pps_for(Span nal, const Sps &sps);
unsigned sps_id_of_pps(Span nal);

template <typename FindSps>
std::optional<Pps> parse_pps(Span nal, FindSps &&find_sps) {
  const Sps *sps = find_sps(sps_id_of_pps(nal));
  return sps == nullptr ? std::nullopt : parse_pps_for(nal, *sps);
}

// One memory management control operation (7.4.3.3).
struct Marking {
  unsigned operation = 0;
  unsigned difference_of_pic_nums = 0;  // minus 1, operations 1 and 3
  unsigned long_term_pic_num = 0;       // operation 2
  unsigned long_term_frame_idx = 0;     // operations 3 and 6
  unsigned max_long_term_idx = 0;       // plus 1, operation 4
};

struct SliceHeader {
  unsigned nal_type = 0, reference_idc = 0;
  unsigned first_mb = 0, type = 0, pps_id = 0;
  unsigned frame_num = 0;
  bool field = false, bottom = false;
  unsigned idr_id = 0;
  unsigned poc_lsb = 0;
  int delta_poc_bottom = 0;
  std::array<int, 2> delta_poc{};
  unsigned redundant_pic_cnt = 0;
  bool no_output_of_prior = false, long_term_reference = false;
  bool adaptive_marking = false;
  std::vector<Marking> markings;

  bool idr() const { return nal_type == kIdrSlice; }
  bool intra() const { return type % 5 == 2 || type % 5 == 4; }
  bool resets() const;  // memory management control operation 5
};
// `nal` may be cut after the header.
std::optional<SliceHeader> parse_slice_header(Span nal, const Sps &sps, const Pps &pps);
unsigned pps_id_of_slice(Span nal);

// Whether `next` starts another picture than `previous` (7.4.1.2.4).
bool starts_new_picture(const SliceHeader &previous, const SliceHeader &next, const Sps &sps);

}  // namespace nvsim::decode::h264
