// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "decode/h265_syntax.hpp"

namespace nvsim::decode::h265 {

namespace {

Bytes payload(Span nal) {
  return unescape({nal.data + 2, nal.size - 2});
}

void skip_profile_tier_level(BitReader &in, unsigned sub_layers) {
  in.skip(88 + 8);
  std::array<bool, 8> profile{}, level{};
  for (unsigned i = 0; i + 1 < sub_layers; i++) {
    profile[i] = in.flag();
    level[i] = in.flag();
  }
  if (sub_layers > 1)
    for (unsigned i = sub_layers - 1; i < 8; i++) in.skip(2);
  for (unsigned i = 0; i + 1 < sub_layers; i++) in.skip((profile[i] ? 88 : 0) + (level[i] ? 8 : 0));
}

// E.2.2 and E.2.3
void skip_hrd(BitReader &in, unsigned sub_layers) {
  const bool nal = in.flag(), vcl = in.flag();
  bool sub_pictures = false;
  if (nal || vcl) {
    sub_pictures = in.flag();
    if (sub_pictures) in.skip(8 + 5 + 1 + 5);
    in.skip(4 + 4);
    if (sub_pictures) in.skip(4);
    in.skip(5 + 5 + 5);
  }
  for (unsigned i = 0; i < sub_layers && !in.overrun(); i++) {
    bool low_delay = false;
    unsigned count = 1;
    const bool fixed = in.flag();
    const bool fixed_within = fixed || in.flag();
    if (fixed_within) in.ue();
    if (!fixed_within) low_delay = in.flag();
    if (!low_delay) count = in.ue() + 1;
    for (int kind = 0; kind < (nal ? 1 : 0) + (vcl ? 1 : 0); kind++) {
      for (unsigned k = 0; k < count && !in.overrun(); k++) {
        for (int value = 0; value < (sub_pictures ? 4 : 2); value++) in.ue();
        in.skip(1);
      }
    }
  }
}

void read_vui(BitReader &in, Sps &sps, unsigned sub_layers) {
  VideoUsability &vui = sps.vui;
  if (in.flag()) {
    const unsigned idc = in.bits(8);
    const AspectRatio ratio = aspect_ratio(idc);
    vui.aspect_width = idc == 255 ? in.bits(16) : ratio.width;
    vui.aspect_height = idc == 255 ? in.bits(16) : ratio.height;
  }
  if (in.flag()) in.skip(1);
  if (in.flag()) {
    vui.video_format = in.bits(3);
    vui.full_range = in.flag();
    if (in.flag()) {
      vui.primaries = in.bits(8);
      vui.transfer = in.bits(8);
      vui.matrix = in.bits(8);
    }
  }
  if (in.flag()) {
    in.ue();
    in.ue();
  }
  in.skip(3);
  if (in.flag())
    for (int i = 0; i < 4; i++) in.ue();  // default display window
  if (in.flag()) {
    vui.units_in_tick = in.bits(32);
    vui.time_scale = in.bits(32);
    if (in.flag()) in.ue();
    if (in.flag()) skip_hrd(in, sub_layers);
  }
  if (in.flag()) {
    in.skip(3);
    for (int i = 0; i < 5; i++) in.ue();
  }
}

void read_pcm(BitReader &in, Sps &sps) {
  sps.pcm_depth_luma = in.bits(4) + 1;
  sps.pcm_depth_chroma = in.bits(4) + 1;
  sps.log2_min_pcm = in.ue() + 3;
  sps.log2_diff_pcm = in.ue();
  sps.pcm_loop_filter_disabled = in.flag();
}

void read_tiles(BitReader &in, Pps &pps) {
  pps.tile_columns = in.ue() + 1;
  pps.tile_rows = in.ue() + 1;
  pps.uniform_tiles = in.flag();
  if (!pps.uniform_tiles) {
    for (unsigned i = 0; i + 1 < pps.tile_columns && i < 20; i++)
      pps.column_widths.push_back(in.ue());
    for (unsigned i = 0; i + 1 < pps.tile_rows && i < 22; i++) pps.row_heights.push_back(in.ue());
  }
  pps.filter_across_tiles = in.flag();
}

}  // namespace

std::optional<NalHeader> nal_header(Span nal) {
  if (nal.size < 3) return std::nullopt;
  NalHeader header;
  header.type = nal.data[0] >> 1 & 63u;
  header.layer = (nal.data[0] & 1u) << 5 | nal.data[1] >> 3;
  const unsigned temporal = nal.data[1] & 7u;
  if (temporal == 0) return std::nullopt;
  header.temporal_id = temporal - 1;
  return header;
}

unsigned bits_for(unsigned values) {
  unsigned bits = 0;
  while (values > 1u << bits) bits++;
  return bits;
}

unsigned Sps::blocks() const {
  const unsigned size = 1u << (log2_min_block + log2_diff_block);
  return ((width + size - 1) / size) * ((height + size - 1) / size);
}

std::optional<Sps> parse_sps(Span nal) {
  if (nal.size < 8) return std::nullopt;
  const Bytes rbsp = payload(nal);
  BitReader in(rbsp);
  Sps sps;
  in.skip(4);
  const unsigned sub_layers = in.bits(3) + 1;
  in.skip(1);
  skip_profile_tier_level(in, sub_layers);
  sps.id = in.ue();
  sps.chroma_format = in.ue();
  if (sps.chroma_format == 3) sps.separate_planes = in.flag();
  sps.width = in.ue();
  sps.height = in.ue();
  if (in.flag()) {
    const unsigned x = sps.chroma_format == 1 || sps.chroma_format == 2 ? 2 : 1;
    const unsigned y = sps.chroma_format == 1 ? 2 : 1;
    sps.crop.left = x * in.ue();
    sps.crop.right = x * in.ue();
    sps.crop.top = y * in.ue();
    sps.crop.bottom = y * in.ue();
  }
  sps.depth_luma = in.ue() + 8;
  sps.depth_chroma = in.ue() + 8;
  sps.log2_max_poc_lsb = in.ue() + 4;
  const bool all_layers = in.flag();
  for (unsigned i = all_layers ? 0 : sub_layers - 1; i < sub_layers; i++) {
    sps.dpb_pictures = in.ue() + 1;
    sps.reorder_pictures = in.ue();
    in.ue();
  }
  sps.log2_min_block = in.ue() + 3;
  sps.log2_diff_block = in.ue();
  sps.log2_min_transform = in.ue() + 2;
  sps.log2_diff_transform = in.ue();
  sps.transform_depth_inter = in.ue();
  sps.transform_depth_intra = in.ue();
  sps.scaling_lists = in.flag();
  sps.lists = default_lists();
  if (sps.scaling_lists && in.flag()) sps.lists = parse_scaling_lists(in);
  sps.amp = in.flag();
  sps.sao = in.flag();
  sps.pcm = in.flag();
  if (sps.pcm) read_pcm(in, sps);
  const unsigned sets = in.ue();
  if (sets > 64 || sps.id > 15 || sps.chroma_format > 3 || sps.log2_max_poc_lsb > 16 ||
      sps.width == 0 || sps.height == 0 || sps.width > 16384 || sps.height > 16384 ||
      sps.log2_min_block + sps.log2_diff_block > 6 || sps.depth_luma > 16)
    return std::nullopt;
  for (unsigned i = 0; i < sets; i++) {
    auto set = parse_reference_set(in, i, sets, sps.reference_sets);
    if (!set) return std::nullopt;
    sps.reference_sets.push_back(std::move(*set));
  }
  sps.long_term_present = in.flag();
  if (sps.long_term_present) {
    const unsigned count = std::min(32u, in.ue());
    for (unsigned i = 0; i < count; i++) {
      const unsigned lsb = in.bits(sps.log2_max_poc_lsb);
      sps.long_term.push_back({lsb, in.flag()});
    }
  }
  sps.temporal_mvp = in.flag();
  sps.strong_intra_smoothing = in.flag();
  if (in.flag()) read_vui(in, sps, sub_layers);
  sps.extension = in.flag();
  if (in.overrun()) return std::nullopt;
  return sps;
}

std::optional<Pps> parse_pps(Span nal) {
  if (nal.size < 4) return std::nullopt;
  const Bytes rbsp = payload(nal);
  BitReader in(rbsp);
  Pps pps;
  pps.id = in.ue();
  pps.sps_id = in.ue();
  pps.dependent_slices = in.flag();
  pps.output_flag = in.flag();
  pps.extra_slice_bits = in.bits(3);
  pps.sign_hiding = in.flag();
  pps.cabac_init = in.flag();
  pps.refs_l0 = in.ue() + 1;
  pps.refs_l1 = in.ue() + 1;
  pps.init_qp = in.se();
  pps.constrained_intra = in.flag();
  pps.transform_skip = in.flag();
  pps.cu_qp_delta = in.flag();
  if (pps.cu_qp_delta) pps.cu_qp_delta_depth = in.ue();
  pps.cb_offset = in.se();
  pps.cr_offset = in.se();
  pps.slice_chroma_offsets = in.flag();
  pps.weighted = in.flag();
  pps.weighted_bi = in.flag();
  pps.transquant_bypass = in.flag();
  pps.tiles = in.flag();
  pps.entropy_sync = in.flag();
  if (pps.tiles) read_tiles(in, pps);
  pps.filter_across_slices = in.flag();
  if (in.flag()) {
    pps.deblocking_override = in.flag();
    pps.deblocking_disabled = in.flag();
    if (!pps.deblocking_disabled) {
      pps.beta_offset = in.se();
      pps.tc_offset = in.se();
    }
  }
  pps.has_lists = in.flag();
  pps.lists = pps.has_lists ? parse_scaling_lists(in) : default_lists();
  pps.lists_modification = in.flag();
  pps.log2_parallel_merge = in.ue() + 2;
  pps.slice_extension = in.flag();
  pps.extension = in.flag();
  if (in.overrun() || pps.id > 63 || pps.sps_id > 15 || pps.tile_columns > 20 || pps.tile_rows > 22)
    return std::nullopt;
  return pps;
}

}  // namespace nvsim::decode::h265
