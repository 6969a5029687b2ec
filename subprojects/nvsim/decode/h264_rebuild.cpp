// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/h264_rebuild.hpp"

#include <algorithm>
#include <set>

#include "decode/h264_syntax.hpp"
#include "decode/zigzag.hpp"
#include "driver/seam.hpp"

namespace nvsim::decode::h264 {

namespace {

constexpr unsigned kHighProfile = 100, kHigh10Profile = 110;
constexpr unsigned kHighestLevel = 62;  // limits nothing

void write_sps(Bytes &out, const CUVIDPICPARAMS &params) {
  const CUVIDH264PICPARAMS &h264 = params.CodecSpecific.h264;
  BitWriter sps;
  sps.bits(h264.bit_depth_luma_minus8 > 0 ? kHigh10Profile : kHighProfile, 8);
  sps.bits(0, 8);
  sps.bits(kHighestLevel, 8);
  sps.ue(0);  // identifier
  sps.ue(1);  // 4:2:0
  sps.ue(h264.bit_depth_luma_minus8);
  sps.ue(h264.bit_depth_chroma_minus8);
  sps.flag(h264.qpprime_y_zero_transform_bypass_flag != 0);
  sps.flag(false);  // scaling lists stand in the PPS
  sps.ue(static_cast<unsigned>(h264.log2_max_frame_num_minus4));
  sps.ue(static_cast<unsigned>(h264.pic_order_cnt_type));
  if (h264.pic_order_cnt_type == 0)
    sps.ue(static_cast<unsigned>(h264.log2_max_pic_order_cnt_lsb_minus4));
  if (h264.pic_order_cnt_type == 1) {
    // The offsets are not in the structure. They only matter for B pictures, by way of distances.
    sps.flag(h264.delta_pic_order_always_zero_flag != 0);
    sps.se(0);
    sps.se(0);
    sps.ue(0);
  }
  sps.ue(static_cast<unsigned>(h264.num_ref_frames));
  sps.flag(true);  // gaps in frame numbers: the program decides what is decoded
  sps.ue(static_cast<unsigned>(params.PicWidthInMbs - 1));
  const int units = params.FrameHeightInMbs / (h264.frame_mbs_only_flag ? 1 : 2);
  sps.ue(static_cast<unsigned>(units - 1));
  sps.flag(h264.frame_mbs_only_flag != 0);
  // A field picture does not tell whether its sequence's frames are adaptive, nor does it matter.
  if (!h264.frame_mbs_only_flag) sps.flag(h264.MbaffFrameFlag != 0);
  sps.flag(h264.direct_8x8_inference_flag != 0);
  sps.flag(false);  // cropping is the post-processing's business
  sps.flag(false);  // usability information
  append_nal(out, {0x67}, sps);
}

bool flat(const CUVIDH264PICPARAMS &h264) {
  const auto is_16 = [](unsigned char weight) { return weight == 16; };
  return std::all_of(h264.WeightScale4x4[0], h264.WeightScale4x4[0] + 6 * 16, is_16) &&
         std::all_of(h264.WeightScale8x8[0], h264.WeightScale8x8[0] + 2 * 64, is_16);
}

template <unsigned kSize, typename Raster>
void write_list(BitWriter &out, const Raster &raster) {
  std::array<std::uint8_t, kSize * kSize> scanned;
  from_raster<kSize>(raster, scanned);
  out.flag(true);
  int last = 8;
  for (const int value : scanned) {
    out.se(static_cast<std::int8_t>(value - last));
    last = value;
  }
}

void write_pps(Bytes &out, const CUVIDH264PICPARAMS &h264, unsigned id) {
  BitWriter pps;
  pps.ue(id);
  pps.ue(0);
  pps.flag(h264.entropy_coding_mode_flag != 0);
  pps.flag(h264.pic_order_present_flag != 0);
  pps.ue(0);  // one slice group
  pps.ue(static_cast<unsigned>(h264.num_ref_idx_l0_active_minus1));
  pps.ue(static_cast<unsigned>(h264.num_ref_idx_l1_active_minus1));
  pps.flag(h264.weighted_pred_flag != 0);
  pps.bits(static_cast<unsigned>(h264.weighted_bipred_idc), 2);
  pps.se(h264.pic_init_qp_minus26);
  pps.se(h264.pic_init_qs_minus26);
  pps.se(h264.chroma_qp_index_offset);
  pps.flag(h264.deblocking_filter_control_present_flag != 0);
  pps.flag(h264.constrained_intra_pred_flag != 0);
  pps.flag(h264.redundant_pic_cnt_present_flag != 0);
  pps.flag(h264.transform_8x8_mode_flag != 0);
  const bool lists = !flat(h264);
  pps.flag(lists);
  if (lists) {
    for (const auto &list : h264.WeightScale4x4) write_list<4>(pps, list);
    if (h264.transform_8x8_mode_flag)
      for (const auto &list : h264.WeightScale8x8) write_list<8>(pps, list);
  }
  pps.se(h264.second_chroma_qp_index_offset);
  append_nal(out, {0x68}, pps);
}

void refuse_what_is_not_simulated(const CUVIDPICPARAMS &params) {
  const CUVIDH264PICPARAMS &h264 = params.CodecSpecific.h264;
  if (h264.num_slice_groups_minus1 > 0) throw Error{not_simulated("H.264 slice groups")};
  if (h264.residual_colour_transform_flag) throw Error{not_simulated("H.264 separate planes")};
  if (h264.pic_order_cnt_type == 1 && !params.intra_pic_flag && !params.ref_pic_flag)
    throw Error{not_simulated("H.264 B pictures with picture order count type 1")};
}

}  // namespace

Bytes parameter_sets(const CUVIDPICPARAMS &params) {
  refuse_what_is_not_simulated(params);
  Bytes out;
  write_sps(out, params);
  std::set<unsigned> written;
  AnnexB units({params.pBitstreamData, params.nBitstreamDataLen});
  for (Span nal; units.next(nal);) {
    const unsigned type = nal_header(nal).type;
    if (type != kSlice && type != kIdrSlice) continue;
    const unsigned id = pps_id_of_slice(nal);
    if (id < 256 && written.insert(id).second) write_pps(out, params.CodecSpecific.h264, id);
  }
  return out;
}

}  // namespace nvsim::decode::h264
