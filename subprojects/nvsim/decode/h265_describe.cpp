// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Parameter sets as NVDEC's structure has them.
#include <algorithm>
#include <cstring>

#include "decode/h265_parser.hpp"

namespace nvsim::decode::h265 {

namespace {

unsigned char byte(unsigned value) {
  return static_cast<unsigned char>(value);
}

void fill(CUVIDHEVCPICPARAMS &hevc, const ScalingLists &lists) {
  for (unsigned i = 0; i < 6; i++) {
    std::copy(lists.size4[i].begin(), lists.size4[i].end(), hevc.ScalingList4x4[i]);
    std::copy(lists.size8[i].begin(), lists.size8[i].end(), hevc.ScalingList8x8[i]);
    std::copy(lists.size16[i].begin(), lists.size16[i].end(), hevc.ScalingList16x16[i]);
    hevc.ScalingListDCCoeff16x16[i] = lists.dc16[i];
  }
  for (unsigned i = 0; i < 2; i++) {
    std::copy(lists.size32[3 * i].begin(), lists.size32[3 * i].end(), hevc.ScalingList32x32[i]);
    hevc.ScalingListDCCoeff32x32[i] = lists.dc32[3 * i];
  }
}

}  // namespace

void describe(CUVIDHEVCPICPARAMS &hevc, const Sps &sps) {
  hevc.pic_width_in_luma_samples = static_cast<int>(sps.width);
  hevc.pic_height_in_luma_samples = static_cast<int>(sps.height);
  hevc.log2_min_luma_coding_block_size_minus3 = byte(sps.log2_min_block - 3);
  hevc.log2_diff_max_min_luma_coding_block_size = byte(sps.log2_diff_block);
  hevc.log2_min_transform_block_size_minus2 = byte(sps.log2_min_transform - 2);
  hevc.log2_diff_max_min_transform_block_size = byte(sps.log2_diff_transform);
  hevc.pcm_enabled_flag = sps.pcm;
  hevc.log2_min_pcm_luma_coding_block_size_minus3 = byte(sps.log2_min_pcm - 3);
  hevc.log2_diff_max_min_pcm_luma_coding_block_size = byte(sps.log2_diff_pcm);
  hevc.pcm_sample_bit_depth_luma_minus1 = byte(sps.pcm_depth_luma - 1);
  hevc.pcm_sample_bit_depth_chroma_minus1 = byte(sps.pcm_depth_chroma - 1);
  hevc.pcm_loop_filter_disabled_flag = sps.pcm_loop_filter_disabled;
  hevc.strong_intra_smoothing_enabled_flag = sps.strong_intra_smoothing;
  hevc.max_transform_hierarchy_depth_intra = byte(sps.transform_depth_intra);
  hevc.max_transform_hierarchy_depth_inter = byte(sps.transform_depth_inter);
  hevc.amp_enabled_flag = sps.amp;
  hevc.separate_colour_plane_flag = sps.separate_planes;
  hevc.log2_max_pic_order_cnt_lsb_minus4 = byte(sps.log2_max_poc_lsb - 4);
  hevc.num_short_term_ref_pic_sets = byte(static_cast<unsigned>(sps.reference_sets.size()));
  hevc.long_term_ref_pics_present_flag = sps.long_term_present;
  hevc.num_long_term_ref_pics_sps = byte(static_cast<unsigned>(sps.long_term.size()));
  hevc.sps_temporal_mvp_enabled_flag = sps.temporal_mvp;
  hevc.sample_adaptive_offset_enabled_flag = sps.sao;
  hevc.scaling_list_enable_flag = sps.scaling_lists;
  hevc.bit_depth_luma_minus8 = byte(sps.depth_luma - 8);
  hevc.bit_depth_chroma_minus8 = byte(sps.depth_chroma - 8);
  // Only version 1 is simulated; a stream that says otherwise is refused by the decoder.
  hevc.sps_range_extension_flag = sps.extension;
}

void describe(CUVIDHEVCPICPARAMS &hevc, const Pps &pps, const Sps &sps) {
  hevc.dependent_slice_segments_enabled_flag = pps.dependent_slices;
  hevc.slice_segment_header_extension_present_flag = pps.slice_extension;
  hevc.sign_data_hiding_enabled_flag = pps.sign_hiding;
  hevc.cu_qp_delta_enabled_flag = pps.cu_qp_delta;
  hevc.diff_cu_qp_delta_depth = byte(pps.cu_qp_delta_depth);
  hevc.init_qp_minus26 = static_cast<signed char>(pps.init_qp);
  hevc.pps_cb_qp_offset = static_cast<signed char>(pps.cb_offset);
  hevc.pps_cr_qp_offset = static_cast<signed char>(pps.cr_offset);
  hevc.constrained_intra_pred_flag = pps.constrained_intra;
  hevc.weighted_pred_flag = pps.weighted;
  hevc.weighted_bipred_flag = pps.weighted_bi;
  hevc.transform_skip_enabled_flag = pps.transform_skip;
  hevc.transquant_bypass_enabled_flag = pps.transquant_bypass;
  hevc.entropy_coding_sync_enabled_flag = pps.entropy_sync;
  hevc.log2_parallel_merge_level_minus2 = byte(pps.log2_parallel_merge - 2);
  hevc.num_extra_slice_header_bits = byte(pps.extra_slice_bits);
  hevc.loop_filter_across_tiles_enabled_flag = pps.filter_across_tiles;
  hevc.loop_filter_across_slices_enabled_flag = pps.filter_across_slices;
  hevc.output_flag_present_flag = pps.output_flag;
  hevc.num_ref_idx_l0_default_active_minus1 = byte(pps.refs_l0 - 1);
  hevc.num_ref_idx_l1_default_active_minus1 = byte(pps.refs_l1 - 1);
  hevc.lists_modification_present_flag = pps.lists_modification;
  hevc.cabac_init_present_flag = pps.cabac_init;
  hevc.pps_slice_chroma_qp_offsets_present_flag = pps.slice_chroma_offsets;
  hevc.deblocking_filter_override_enabled_flag = pps.deblocking_override;
  hevc.pps_deblocking_filter_disabled_flag = pps.deblocking_disabled;
  hevc.pps_beta_offset_div2 = static_cast<signed char>(pps.beta_offset);
  hevc.pps_tc_offset_div2 = static_cast<signed char>(pps.tc_offset);
  hevc.tiles_enabled_flag = pps.tiles;
  hevc.uniform_spacing_flag = pps.uniform_tiles;
  hevc.num_tile_columns_minus1 = byte(pps.tile_columns - 1);
  hevc.num_tile_rows_minus1 = byte(pps.tile_rows - 1);
  for (std::size_t i = 0; i < pps.column_widths.size() && i < 21; i++)
    hevc.column_width_minus1[i] = static_cast<unsigned short>(pps.column_widths[i]);
  for (std::size_t i = 0; i < pps.row_heights.size() && i < 21; i++)
    hevc.row_height_minus1[i] = static_cast<unsigned short>(pps.row_heights[i]);
  hevc.pps_range_extension_flag = pps.extension;
  fill(hevc, pps.has_lists ? pps.lists : sps.lists);
}

}  // namespace nvsim::decode::h265
