// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The parameter sets that NVDEC's structure stands for.
#include "decode/h265_rebuild.hpp"

namespace nvsim::decode::h265 {

namespace {

constexpr std::uint8_t kVpsHeader = 32 << 1, kSpsHeader = 33 << 1, kPpsHeader = 34 << 1;
constexpr unsigned kMainProfile = 1, kMain10Profile = 2;
constexpr unsigned kHighestLevel = 186;  // 6.2

void write_profile_tier_level(BitWriter &out, const CUVIDHEVCPICPARAMS &hevc) {
  const unsigned profile = hevc.bit_depth_luma_minus8 > 0 ? kMain10Profile : kMainProfile;
  out.bits(profile, 8);  // space, tier, profile
  out.bits(1u << (31 - profile), 32);
  out.bits(0x9, 4);  // progressive, not interlaced, not packed, frames only
  out.bits(0, 32);
  out.bits(0, 12);
  out.bits(kHighestLevel, 8);
}

void write_buffer_limits(BitWriter &out) {
  out.flag(true);
  out.ue(15);  // pictures held, minus 1
  out.ue(0);   // reordered: the program does that
  out.ue(0);
}

void write_vps(Bytes &out, const CUVIDHEVCPICPARAMS &hevc) {
  BitWriter vps;
  vps.bits(0, 4);
  vps.bits(3, 2);
  vps.bits(0, 6 + 3);  // one layer, one sub-layer
  vps.flag(true);
  vps.bits(0xffff, 16);
  write_profile_tier_level(vps, hevc);
  write_buffer_limits(vps);
  vps.bits(0, 6);
  vps.ue(0);
  vps.flag(false);  // timing
  vps.flag(false);  // extension
  append_nal(out, {kVpsHeader, 1}, vps);
}

template <typename List>
void write_list(BitWriter &out, const List &list, const unsigned char *dc) {
  out.flag(true);
  int last = 8;
  if (dc != nullptr) {
    out.se(*dc - 8);
    last = *dc;
  }
  for (const int value : list) {
    out.se(static_cast<std::int8_t>(value - last));
    last = value;
  }
}

void write_scaling_lists(BitWriter &out, const CUVIDHEVCPICPARAMS &hevc) {
  for (unsigned i = 0; i < 6; i++) write_list(out, hevc.ScalingList4x4[i], nullptr);
  for (unsigned i = 0; i < 6; i++) write_list(out, hevc.ScalingList8x8[i], nullptr);
  for (unsigned i = 0; i < 6; i++)
    write_list(out, hevc.ScalingList16x16[i], &hevc.ScalingListDCCoeff16x16[i]);
  for (unsigned i = 0; i < 2; i++)
    write_list(out, hevc.ScalingList32x32[i], &hevc.ScalingListDCCoeff32x32[i]);
}

void write_pcm(BitWriter &out, const CUVIDHEVCPICPARAMS &hevc) {
  out.bits(hevc.pcm_sample_bit_depth_luma_minus1, 4);
  out.bits(hevc.pcm_sample_bit_depth_chroma_minus1, 4);
  out.ue(hevc.log2_min_pcm_luma_coding_block_size_minus3);
  out.ue(hevc.log2_diff_max_min_pcm_luma_coding_block_size);
  out.flag(hevc.pcm_loop_filter_disabled_flag);
}

void write_sps(Bytes &out, const CUVIDHEVCPICPARAMS &hevc) {
  BitWriter sps;
  sps.bits(0, 4 + 3);
  sps.flag(true);
  write_profile_tier_level(sps, hevc);
  sps.ue(0);
  sps.ue(1);  // 4:2:0
  sps.ue(static_cast<unsigned>(hevc.pic_width_in_luma_samples));
  sps.ue(static_cast<unsigned>(hevc.pic_height_in_luma_samples));
  sps.flag(false);  // cropping is the post-processing's business
  sps.ue(hevc.bit_depth_luma_minus8);
  sps.ue(hevc.bit_depth_chroma_minus8);
  sps.ue(hevc.log2_max_pic_order_cnt_lsb_minus4);
  write_buffer_limits(sps);
  sps.ue(hevc.log2_min_luma_coding_block_size_minus3);
  sps.ue(hevc.log2_diff_max_min_luma_coding_block_size);
  sps.ue(hevc.log2_min_transform_block_size_minus2);
  sps.ue(hevc.log2_diff_max_min_transform_block_size);
  sps.ue(hevc.max_transform_hierarchy_depth_inter);
  sps.ue(hevc.max_transform_hierarchy_depth_intra);
  sps.flag(hevc.scaling_list_enable_flag);
  if (hevc.scaling_list_enable_flag) {
    sps.flag(true);
    write_scaling_lists(sps, hevc);
  }
  sps.flag(hevc.amp_enabled_flag);
  sps.flag(hevc.sample_adaptive_offset_enabled_flag);
  sps.flag(hevc.pcm_enabled_flag);
  if (hevc.pcm_enabled_flag) write_pcm(sps, hevc);
  sps.ue(0);  // reference sets: the slices bring their own
  // The slices may name long-term pictures, though none is in use.
  sps.flag(hevc.long_term_ref_pics_present_flag);
  if (hevc.long_term_ref_pics_present_flag) {
    sps.ue(hevc.num_long_term_ref_pics_sps);
    for (unsigned i = 0; i < hevc.num_long_term_ref_pics_sps; i++)
      sps.bits(0, hevc.log2_max_pic_order_cnt_lsb_minus4 + 4u + 1);
  }
  sps.flag(hevc.sps_temporal_mvp_enabled_flag);
  sps.flag(hevc.strong_intra_smoothing_enabled_flag);
  sps.flag(false);  // usability information
  sps.flag(false);  // extension
  append_nal(out, {kSpsHeader, 1}, sps);
}

void write_tiles(BitWriter &out, const CUVIDHEVCPICPARAMS &hevc) {
  out.ue(hevc.num_tile_columns_minus1);
  out.ue(hevc.num_tile_rows_minus1);
  out.flag(hevc.uniform_spacing_flag);
  if (!hevc.uniform_spacing_flag) {
    for (unsigned i = 0; i < hevc.num_tile_columns_minus1; i++) out.ue(hevc.column_width_minus1[i]);
    for (unsigned i = 0; i < hevc.num_tile_rows_minus1; i++) out.ue(hevc.row_height_minus1[i]);
  }
  out.flag(hevc.loop_filter_across_tiles_enabled_flag);
}

void write_pps(Bytes &out, const CUVIDHEVCPICPARAMS &hevc, unsigned id, unsigned extra_slice_bits) {
  BitWriter pps;
  pps.ue(id);
  pps.ue(0);
  pps.flag(hevc.dependent_slice_segments_enabled_flag);
  pps.flag(hevc.output_flag_present_flag);
  pps.bits(extra_slice_bits, 3);
  pps.flag(hevc.sign_data_hiding_enabled_flag);
  pps.flag(hevc.cabac_init_present_flag);
  pps.ue(hevc.num_ref_idx_l0_default_active_minus1);
  pps.ue(hevc.num_ref_idx_l1_default_active_minus1);
  pps.se(hevc.init_qp_minus26);
  pps.flag(hevc.constrained_intra_pred_flag);
  pps.flag(hevc.transform_skip_enabled_flag);
  pps.flag(hevc.cu_qp_delta_enabled_flag);
  if (hevc.cu_qp_delta_enabled_flag) pps.ue(hevc.diff_cu_qp_delta_depth);
  pps.se(hevc.pps_cb_qp_offset);
  pps.se(hevc.pps_cr_qp_offset);
  pps.flag(hevc.pps_slice_chroma_qp_offsets_present_flag);
  pps.flag(hevc.weighted_pred_flag);
  pps.flag(hevc.weighted_bipred_flag);
  pps.flag(hevc.transquant_bypass_enabled_flag);
  pps.flag(hevc.tiles_enabled_flag);
  pps.flag(hevc.entropy_coding_sync_enabled_flag);
  if (hevc.tiles_enabled_flag) write_tiles(pps, hevc);
  pps.flag(hevc.loop_filter_across_slices_enabled_flag);
  pps.flag(true);  // deblocking control
  pps.flag(hevc.deblocking_filter_override_enabled_flag);
  pps.flag(hevc.pps_deblocking_filter_disabled_flag);
  if (!hevc.pps_deblocking_filter_disabled_flag) {
    pps.se(hevc.pps_beta_offset_div2);
    pps.se(hevc.pps_tc_offset_div2);
  }
  pps.flag(false);  // scaling lists stand in the SPS
  pps.flag(hevc.lists_modification_present_flag);
  pps.ue(hevc.log2_parallel_merge_level_minus2);
  pps.flag(hevc.slice_segment_header_extension_present_flag);
  pps.flag(false);  // extension
  append_nal(out, {kPpsHeader, 1}, pps);
}

}  // namespace

Bytes parameter_sets(const CUVIDPICPARAMS &params, unsigned pps_id, unsigned extra_slice_bits) {
  const CUVIDHEVCPICPARAMS &hevc = params.CodecSpecific.hevc;
  Bytes out;
  write_vps(out, hevc);
  write_sps(out, hevc);
  write_pps(out, hevc, pps_id, extra_slice_bits);
  return out;
}

}  // namespace nvsim::decode::h265
