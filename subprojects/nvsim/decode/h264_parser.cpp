// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/h264_parser.hpp"

#include <algorithm>
#include <numeric>

#include "decode/zigzag.hpp"

namespace nvsim::decode::h264 {

CUVIDEOFORMAT format_of(const Sps &sps) {
  CUVIDEOFORMAT format{};
  format.codec = cudaVideoCodec_H264;
  // The time scale counts fields.
  if (sps.vui.units_in_tick > 0 && sps.vui.time_scale > sps.vui.units_in_tick) {
    const std::uint32_t rate = sps.vui.time_scale / 2 + sps.vui.time_scale % 2;
    const std::uint32_t divisor = std::gcd(rate, sps.vui.units_in_tick);
    format.frame_rate.numerator = rate / divisor;
    format.frame_rate.denominator = sps.vui.units_in_tick / divisor;
  }
  format.progressive_sequence = sps.frame_mbs_only;
  format.bit_depth_luma_minus8 = static_cast<unsigned char>(sps.depth_luma - 8);
  format.bit_depth_chroma_minus8 = static_cast<unsigned char>(sps.depth_chroma - 8);
  format.min_num_decode_surfaces = static_cast<unsigned char>(sps.buffered_frames + 1);
  format.coded_width = sps.width_in_mbs * 16;
  format.coded_height = sps.height_in_mbs() * 16;
  // What is cropped on the left and at the top is shown all the same: so does NVIDIA's (measured).
  format.display_area = {0, 0, static_cast<int>(format.coded_width - sps.crop.right),
                         static_cast<int>(format.coded_height - sps.crop.bottom)};
  format.chroma_format = static_cast<cudaVideoChromaFormat>(sps.chroma_format);
  describe(format, sps.vui);
  return format;
}

void H264Parser::nal_unit(Span nal, std::uint64_t position) {
  switch (nal_header(nal).type) {
    case kSlice:
    case kIdrSlice:
      slice(nal, position);
      break;
    case kSps:
      if (open_) end_picture();
      if (auto sps = parse_sps(nal)) sps_[sps->id] = std::move(sps);
      break;
    case kPps: {
      if (open_) end_picture();
      const auto find = [this](unsigned id) {
        return id < sps_.size() && sps_[id] ? &*sps_[id] : nullptr;
      };
      if (auto pps = parse_pps(nal, find)) pps_[pps->id] = std::move(pps);
      break;
    }
    case kSei:
    case kDelimiter:
    case kEndOfSequence:
      if (open_) end_picture();
      break;
    default:
      break;
  }
}

void H264Parser::slice(Span nal, std::uint64_t position) {
  const unsigned id = pps_id_of_slice(nal);
  if (id >= pps_.size() || !pps_[id] || !sps_[pps_[id]->sps_id]) return;
  const Sps sps = *sps_[pps_[id]->sps_id];
  const auto header = parse_slice_header(nal, sps, *pps_[id]);
  if (!header || header->redundant_pic_cnt > 0) return;
  if (open_ && starts_new_picture(first_slice_, *header, sps)) end_picture();
  if (!open_) {
    const bool changed = active_ && (sps.width_in_mbs != active_->width_in_mbs ||
                                     sps.height_in_map_units != active_->height_in_map_units ||
                                     sps.log2_max_frame_num != active_->log2_max_frame_num);
    if (header->idr() || !active_ || changed) {
      if (!start_sequence(*header, sps)) return;
    }
    picture_pps_ = *pps_[id];
    start_picture(*header, position);
  }
  intra_ = intra_ && header->intra();
  add_slice(nal);
}

bool H264Parser::start_sequence(const SliceHeader &slice, const Sps &sps) {
  const bool second_field = active_ && slice.field && buffer_.current().fields != kNone &&
                            buffer_.current().fields != kBoth;
  if (!slice.no_output_of_prior && !second_field) buffer_.flush();
  active_.reset();
  if (!announce(format_of(sps))) return false;
  active_ = sps;
  // One surface is for the picture in work.
  buffer_.start_sequence(sps, std::min(std::max(2u, surface_count()) - 1, sps.level_frames));
  return true;
}

void H264Parser::start_picture(const SliceHeader &slice, std::uint64_t position) {
  first_slice_ = slice;
  intra_ = true;
  open_ = true;
  second_field_ = buffer_.start_picture(slice, [&] { return new_picture(position); });
}

void H264Parser::end_picture() {
  open_ = false;
  FrameStore &current = buffer_.current();
  if (current.picture != nullptr) {
    Picture &picture = *current.picture;
    const int top = current.poc[0], bottom = current.poc[1];
    picture.poc = std::min(top, bottom);
    picture.progressive = !first_slice_.field && top == bottom;
    picture.top_first = first_slice_.field ? second_field_ == first_slice_.bottom : top < bottom;
    // x264 leaves the counts of both fields of such frames equal.
    if (picture.progressive && active_->mbaff && active_->poc_type == 0 &&
        !picture_pps_.bottom_field_poc) {
      picture.progressive = false;
      picture.top_first = true;
    }
    CUVIDPICPARAMS params = describe_picture();
    decode(params, current.picture, second_field_);
  }
  decoded();
  buffer_.finish_picture();
}

void H264Parser::end_stream() {
  buffer_.flush();
  buffer_.reset();
  sps_.fill(std::nullopt);
  pps_.fill(std::nullopt);
  active_.reset();
}

CUVIDPICPARAMS H264Parser::describe_picture() const {
  const Sps &sps = *active_;
  const Pps &pps = picture_pps_;
  const FrameStore &current = buffer_.current();
  CUVIDPICPARAMS params{};
  params.PicWidthInMbs = static_cast<int>(sps.width_in_mbs);
  params.FrameHeightInMbs = static_cast<int>(sps.height_in_mbs());
  params.field_pic_flag = first_slice_.field;
  params.bottom_field_flag = first_slice_.bottom;
  params.second_field = second_field_;
  params.ref_pic_flag = first_slice_.reference_idc != 0;
  params.intra_pic_flag = intra_;

  CUVIDH264PICPARAMS &h264 = params.CodecSpecific.h264;
  h264.log2_max_frame_num_minus4 = static_cast<int>(sps.log2_max_frame_num - 4);
  h264.pic_order_cnt_type = static_cast<int>(sps.poc_type);
  h264.log2_max_pic_order_cnt_lsb_minus4 = static_cast<int>(sps.log2_max_poc_lsb - 4);
  h264.delta_pic_order_always_zero_flag = sps.delta_poc_always_zero;
  h264.frame_mbs_only_flag = sps.frame_mbs_only;
  h264.direct_8x8_inference_flag = sps.direct_8x8;
  h264.num_ref_frames = static_cast<int>(sps.num_ref_frames);
  h264.residual_colour_transform_flag = sps.separate_planes;
  h264.bit_depth_luma_minus8 = static_cast<unsigned char>(sps.depth_luma - 8);
  h264.bit_depth_chroma_minus8 = static_cast<unsigned char>(sps.depth_chroma - 8);
  h264.qpprime_y_zero_transform_bypass_flag = sps.lossless_bypass;

  h264.entropy_coding_mode_flag = pps.cabac;
  h264.pic_order_present_flag = pps.bottom_field_poc;
  h264.num_ref_idx_l0_active_minus1 = static_cast<int>(pps.refs_l0 - 1);
  h264.num_ref_idx_l1_active_minus1 = static_cast<int>(pps.refs_l1 - 1);
  h264.weighted_pred_flag = pps.weighted;
  h264.weighted_bipred_idc = static_cast<int>(pps.weighted_bi);
  h264.pic_init_qp_minus26 = pps.init_qp;
  h264.pic_init_qs_minus26 = static_cast<signed char>(pps.init_qs);
  h264.deblocking_filter_control_present_flag = pps.deblocking_control;
  h264.redundant_pic_cnt_present_flag = pps.redundant_pic_cnt;
  h264.transform_8x8_mode_flag = pps.transform_8x8;
  h264.MbaffFrameFlag = sps.mbaff && !first_slice_.field;
  h264.constrained_intra_pred_flag = pps.constrained_intra;
  h264.chroma_qp_index_offset = pps.chroma_qp_offset;
  h264.second_chroma_qp_index_offset = pps.second_chroma_qp_offset;
  for (unsigned i = 0; i < 6; i++) to_raster<4>(pps.lists.small[i], h264.WeightScale4x4[i]);
  for (unsigned i = 0; i < 2; i++) to_raster<8>(pps.lists.large[i], h264.WeightScale8x8[i]);

  h264.ref_pic_flag = first_slice_.reference_idc != 0;
  h264.frame_num = current.frame_num;
  // Of a second field only its own, measured.
  h264.CurrFieldOrderCnt[0] = second_field_ && first_slice_.bottom ? 0 : current.poc[0];
  h264.CurrFieldOrderCnt[1] = second_field_ && !first_slice_.bottom ? 0 : current.poc[1];
  fill_references(h264);
  return params;
}

void H264Parser::fill_references(CUVIDH264PICPARAMS &h264) const {
  const auto &stores = buffer_.stores();
  for (unsigned i = 0; i < PictureBuffer::kStores; i++) {
    const FrameStore &store = stores[i];
    CUVIDH264DPBENTRY &entry = h264.dpb[i];
    entry.PicIdx = -1;
    if (!store.used()) continue;
    const bool decoded = store.picture != nullptr && !store.picture->skipped;
    entry.PicIdx = decoded ? store.picture->surface : -1;
    entry.not_existing = !decoded;
    entry.is_long_term = store.long_term != kNone;
    entry.FrameIdx = entry.is_long_term ? store.long_term_idx : store.frame_num;
    entry.used_for_reference = static_cast<int>(store.short_term | store.long_term);
    entry.FieldOrderCnt[0] = store.poc[0];
    entry.FieldOrderCnt[1] = store.poc[1];
  }
}

}  // namespace nvsim::decode::h264
