// SPDX-License-Identifier: LGPL-2.1-or-later
//
// H.265 syntax: sequence and picture parameter sets, and the slice segment header as far as the
// reference picture sets (clauses 7.3 and 7.4).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "decode/bits.hpp"
#include "decode/sequence.hpp"

namespace nvsim::decode::h265 {

enum NalType : unsigned {
  kRadlN = 6,
  kRaslN = 8,
  kRaslR = 9,
  kLastTrailing = 9,
  kBlaWLp = 16,
  kIdrWRadl = 19,
  kIdrNLp = 20,
  kCra = 21,
  kLastIrap = 23,
  kSps = 33,
  kPps = 34,
  kSuffixSei = 40,
};

struct NalHeader {
  unsigned type = 0, layer = 0, temporal_id = 0;
  bool slice() const { return type <= kLastTrailing || (type >= kBlaWLp && type <= kCra); }
  bool irap() const { return type >= kBlaWLp && type <= kLastIrap; }
  bool idr() const { return type == kIdrWRadl || type == kIdrNLp; }
  bool rasl() const { return type == kRaslN || type == kRaslR; }
  // Even types below 16: nothing of the same sub-layer refers to them.
  bool sublayer_non_reference() const { return type < 16 && type % 2 == 0; }
};
std::optional<NalHeader> nal_header(Span nal);

struct ScalingLists {
  std::array<std::array<std::uint8_t, 16>, 6> size4;
  std::array<std::array<std::uint8_t, 64>, 6> size8, size16, size32;  // 32x32: 0 and 3 are coded
  std::array<std::uint8_t, 6> dc16, dc32;
};
ScalingLists default_lists();

struct ReferenceSet {
  struct Entry {
    int delta;
    bool used;
  };
  std::vector<Entry> before, after;  // nearest first
  std::size_t size() const { return before.size() + after.size(); }
};

struct Sps {
  unsigned id = 0;
  unsigned chroma_format = 1;
  bool separate_planes = false;
  unsigned width = 0, height = 0;
  Crop crop;
  unsigned depth_luma = 8, depth_chroma = 8;
  unsigned log2_max_poc_lsb = 4;
  unsigned dpb_pictures = 1, reorder_pictures = 0;
  unsigned log2_min_block = 3, log2_diff_block = 0;
  unsigned log2_min_transform = 2, log2_diff_transform = 0;
  unsigned transform_depth_inter = 0, transform_depth_intra = 0;
  bool scaling_lists = false;
  ScalingLists lists;
  bool amp = false, sao = false, pcm = false;
  unsigned pcm_depth_luma = 8, pcm_depth_chroma = 8;
  unsigned log2_min_pcm = 3, log2_diff_pcm = 0;
  bool pcm_loop_filter_disabled = false;
  std::vector<ReferenceSet> reference_sets;
  bool long_term_present = false;
  struct LongTerm {
    unsigned poc_lsb;
    bool used;
  };
  std::vector<LongTerm> long_term;
  bool temporal_mvp = false, strong_intra_smoothing = false;
  VideoUsability vui;
  bool extension = false;  // something beyond version 1, which is not simulated

  unsigned blocks() const;  // coding tree blocks of a picture
};
std::optional<Sps> parse_sps(Span nal);

struct Pps {
  unsigned id = 0, sps_id = 0;
  bool dependent_slices = false, output_flag = false;
  unsigned extra_slice_bits = 0;
  bool sign_hiding = false, cabac_init = false;
  unsigned refs_l0 = 1, refs_l1 = 1;
  int init_qp = 0;
  bool constrained_intra = false, transform_skip = false, cu_qp_delta = false;
  unsigned cu_qp_delta_depth = 0;
  int cb_offset = 0, cr_offset = 0;
  bool slice_chroma_offsets = false, weighted = false, weighted_bi = false;
  bool transquant_bypass = false, tiles = false, entropy_sync = false;
  bool uniform_tiles = true;
  std::vector<unsigned> column_widths, row_heights;  // minus 1, but the last
  unsigned tile_columns = 1, tile_rows = 1;
  bool filter_across_tiles = true, filter_across_slices = false;
  bool deblocking_override = false, deblocking_disabled = false;
  int beta_offset = 0, tc_offset = 0;
  bool has_lists = false;
  ScalingLists lists;
  bool lists_modification = false;
  unsigned log2_parallel_merge = 2;
  bool slice_extension = false;
  bool extension = false;
};
std::optional<Pps> parse_pps(Span nal);

struct SliceHeader {
  NalHeader nal;
  bool first = false, no_output_of_prior = false, dependent = false;
  unsigned pps_id = 0, type = 0;
  bool output = true;
  unsigned poc_lsb = 0;
  ReferenceSet references;
  std::size_t reference_bits = 0;  // taken by the set in the slice; 0: taken from the SPS
  std::size_t predicted_from = 0;  // entries of the set that the slice's one is predicted from
  struct LongTerm {
    unsigned poc;  // or its lower bits
    bool used, whole;
  };
  std::vector<LongTerm> long_term;

  bool intra() const { return type == 2; }
};
std::optional<SliceHeader> parse_slice_header(Span nal, const Sps &sps, const Pps &pps);
unsigned pps_id_of_slice(Span nal);

// The set number `index`; `known` are those before it. 7.3.7, 7.4.8.
std::optional<ReferenceSet> parse_reference_set(BitReader &in, std::size_t index, std::size_t total,
                                                const std::vector<ReferenceSet> &known,
                                                std::size_t *predicted_from = nullptr);
ScalingLists parse_scaling_lists(BitReader &in);
unsigned bits_for(unsigned values);  // Ceil(Log2(values))

}  // namespace nvsim::decode::h265
