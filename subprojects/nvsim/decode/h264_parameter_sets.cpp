// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "decode/h264_syntax.hpp"

namespace nvsim::decode::h264 {

namespace {

// Tables 7-3 and 7-4, in zigzag order.
constexpr std::array<std::uint8_t, 16> kIntra4x4 = {6,  13, 13, 20, 20, 20, 28, 28,
                                                    28, 28, 32, 32, 32, 37, 37, 42};
constexpr std::array<std::uint8_t, 16> kInter4x4 = {10, 14, 14, 20, 20, 20, 24, 24,
                                                    24, 24, 27, 27, 27, 30, 30, 34};
constexpr std::array<std::uint8_t, 64> kIntra8x8 = {
    6,  10, 10, 13, 11, 13, 16, 16, 16, 16, 18, 18, 18, 18, 18, 23, 23, 23, 23, 23, 23, 25,
    25, 25, 25, 25, 25, 25, 27, 27, 27, 27, 27, 27, 27, 27, 29, 29, 29, 29, 29, 29, 29, 31,
    31, 31, 31, 31, 31, 33, 33, 33, 33, 33, 36, 36, 36, 36, 38, 38, 38, 40, 40, 42};
constexpr std::array<std::uint8_t, 64> kInter8x8 = {
    9,  13, 13, 15, 13, 15, 17, 17, 17, 17, 19, 19, 19, 19, 19, 21, 21, 21, 21, 21, 21, 22,
    22, 22, 22, 22, 22, 22, 24, 24, 24, 24, 24, 24, 24, 24, 25, 25, 25, 25, 25, 25, 25, 27,
    27, 27, 27, 27, 27, 28, 28, 28, 28, 28, 30, 30, 30, 30, 32, 32, 32, 33, 33, 35};

// Reads one list; false when the bitstream says "use the default".
template <std::size_t kSize>
bool read_list(BitReader &in, std::array<std::uint8_t, kSize> &list) {
  int last = 8, next = 8;
  for (std::size_t i = 0; i < kSize; i++) {
    if (next != 0) {
      next = (last + in.se() + 256) % 256;
      if (i == 0 && next == 0) return false;
    }
    list[i] = static_cast<std::uint8_t>(next == 0 ? last : next);
    last = list[i];
  }
  return true;
}

// `fallback` serves the first list of each kind (rule A: the defaults; rule B: the SPS's lists).
ScalingLists read_lists(BitReader &in, unsigned large_count, const ScalingLists &fallback) {
  ScalingLists lists = fallback;
  for (unsigned i = 0; i < 6; i++) {
    if (!in.flag()) {
      lists.small[i] = i % 3 == 0 ? fallback.small[i] : lists.small[i - 1];
    } else if (!read_list(in, lists.small[i])) {
      lists.small[i] = i < 3 ? kIntra4x4 : kInter4x4;
    }
  }
  for (unsigned i = 0; i < large_count; i++) {
    if (!in.flag()) {
      lists.large[i] = i < 2 ? fallback.large[i] : lists.large[i - 2];
    } else if (!read_list(in, lists.large[i])) {
      lists.large[i] = i % 2 == 0 ? kIntra8x8 : kInter8x8;
    }
  }
  return lists;
}

ScalingLists default_lists() {
  ScalingLists lists;
  for (unsigned i = 0; i < 6; i++) {
    lists.small[i] = i < 3 ? kIntra4x4 : kInter4x4;
    lists.large[i] = i % 2 == 0 ? kIntra8x8 : kInter8x8;
  }
  return lists;
}

bool has_chroma_info(unsigned profile) {
  static constexpr unsigned kProfiles[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134};
  return std::find(std::begin(kProfiles), std::end(kProfiles), profile) != std::end(kProfiles);
}

// Table A-1: the picture buffer's size in macroblocks.
unsigned max_dpb_mbs(const Sps &sps) {
  static constexpr struct {
    unsigned level, mbs;
  } kLimits[] = {{9, 396},     {10, 396},    {11, 900},    {12, 2376},   {13, 2376},
                 {20, 2376},   {21, 4752},   {22, 8100},   {30, 8100},   {31, 18000},
                 {32, 20480},  {40, 32768},  {41, 32768},  {42, 34816},  {50, 110400},
                 {51, 184320}, {52, 184320}, {60, 696320}, {61, 696320}, {62, 696320}};
  const bool level_1b = sps.level == 11 && (sps.constraints & 0x10) != 0 && sps.profile <= 88;
  for (const auto &limit : kLimits)
    if (limit.level == (level_1b ? 10 : sps.level)) return limit.mbs;
  return ~0u;
}

void skip_hrd(BitReader &in) {
  const unsigned count = in.ue() + 1;
  in.skip(8);
  for (unsigned i = 0; i < count && !in.overrun(); i++) {
    in.ue();
    in.ue();
    in.skip(1);
  }
  in.skip(20);
}

struct BufferLimits {
  unsigned reorder = 0, buffering = 0;
};

BufferLimits read_vui(BitReader &in, VideoUsability &vui) {
  BufferLimits limits;
  if (in.flag()) {
    const unsigned idc = in.bits(8);
    const AspectRatio ratio = aspect_ratio(idc);
    vui.aspect_width = idc == 255 ? in.bits(16) : ratio.width;
    vui.aspect_height = idc == 255 ? in.bits(16) : ratio.height;
  }
  if (in.flag()) in.skip(1);  // overscan
  if (in.flag()) {
    vui.video_format = in.bits(3);
    vui.full_range = in.flag();
    if (in.flag()) {
      vui.primaries = in.bits(8);
      vui.transfer = in.bits(8);
      vui.matrix = in.bits(8);
    }
  }
  if (in.flag()) {  // chroma sample location
    in.ue();
    in.ue();
  }
  if (in.flag()) {
    vui.units_in_tick = in.bits(32);
    vui.time_scale = in.bits(32);
    in.skip(1);
  }
  const bool nal_hrd = in.flag();
  if (nal_hrd) skip_hrd(in);
  const bool vcl_hrd = in.flag();
  if (vcl_hrd) skip_hrd(in);
  if (nal_hrd || vcl_hrd) in.skip(1);
  in.skip(1);  // picture structure present
  if (in.flag()) {
    in.skip(1);
    for (int i = 0; i < 4; i++) in.ue();
    limits.reorder = in.ue();
    limits.buffering = in.ue();
  }
  return limits;
}

bool intra_only(const Sps &sps) {
  static constexpr unsigned kProfiles[] = {44, 86, 100, 110, 122, 244};
  return (sps.constraints & 0x10) != 0 &&
         std::find(std::begin(kProfiles), std::end(kProfiles), sps.profile) != std::end(kProfiles);
}

void set_buffer_limits(Sps &sps, BufferLimits vui) {
  const unsigned mbs = std::max(1u, sps.width_in_mbs * sps.height_in_mbs());
  sps.level_frames = std::max({1u, std::min(16u, max_dpb_mbs(sps) / mbs), sps.num_ref_frames});
  if (vui.buffering > 0 || intra_only(sps)) {
    sps.buffered_frames = std::min(16u, std::max(vui.buffering, sps.num_ref_frames));
    sps.reorder_frames = std::min(vui.reorder, vui.buffering);
  } else {
    sps.buffered_frames = sps.level_frames;
    sps.reorder_frames = sps.poc_type == 2 ? 0 : 16;
  }
}

}  // namespace

NalHeader nal_header(Span nal) {
  if (nal.size == 0) return {};
  return {nal.data[0] >> 5 & 3u, nal.data[0] & 31u};
}

ScalingLists flat_lists() {
  ScalingLists lists;
  for (auto &list : lists.small) list.fill(16);
  for (auto &list : lists.large) list.fill(16);
  return lists;
}

std::optional<Sps> parse_sps(Span nal) {
  if (nal.size < 4) return std::nullopt;
  const Bytes rbsp = unescape({nal.data + 1, nal.size - 1});
  BitReader in(rbsp);
  Sps sps;
  sps.profile = in.bits(8);
  sps.constraints = in.bits(8);
  sps.level = in.bits(8);
  sps.id = in.ue();
  sps.lists = flat_lists();
  if (has_chroma_info(sps.profile)) {
    sps.chroma_format = in.ue();
    if (sps.chroma_format == 3) sps.separate_planes = in.flag();
    sps.depth_luma = 8 + in.ue();
    sps.depth_chroma = 8 + in.ue();
    sps.lossless_bypass = in.flag();
    sps.has_lists = in.flag();
    if (sps.has_lists) sps.lists = read_lists(in, sps.chroma_format == 3 ? 6 : 2, default_lists());
  }
  sps.log2_max_frame_num = 4 + in.ue();
  sps.poc_type = in.ue();
  if (sps.poc_type == 0) {
    sps.log2_max_poc_lsb = 4 + in.ue();
  } else if (sps.poc_type == 1) {
    sps.delta_poc_always_zero = in.flag();
    sps.offset_for_non_ref = in.se();
    sps.offset_top_to_bottom = in.se();
    const unsigned count = in.ue();
    for (unsigned i = 0; i < count && i < 255; i++) sps.offset_for_ref.push_back(in.se());
  }
  sps.num_ref_frames = in.ue();
  sps.gaps_allowed = in.flag();
  sps.width_in_mbs = in.ue() + 1;
  sps.height_in_map_units = in.ue() + 1;
  sps.frame_mbs_only = in.flag();
  if (!sps.frame_mbs_only) sps.mbaff = in.flag();
  sps.direct_8x8 = in.flag();
  if (in.flag()) {
    const unsigned x = sps.chroma_format == 1 || sps.chroma_format == 2 ? 2 : 1;
    const unsigned y = (sps.chroma_format == 1 ? 2 : 1) * (sps.frame_mbs_only ? 1 : 2);
    sps.crop.left = x * in.ue();
    sps.crop.right = x * in.ue();
    sps.crop.top = y * in.ue();
    sps.crop.bottom = y * in.ue();
  }
  sps.has_vui = in.flag();
  const BufferLimits limits = sps.has_vui ? read_vui(in, sps.vui) : BufferLimits{};
  const bool sane = sps.id < 32 && sps.poc_type <= 2 && sps.log2_max_frame_num <= 16 &&
                    sps.log2_max_poc_lsb <= 16 && sps.num_ref_frames <= 16 &&
                    sps.chroma_format <= 3 && sps.width_in_mbs <= 1024 &&
                    sps.height_in_map_units <= 1024 && sps.depth_luma <= 14;
  if (!sane) return std::nullopt;
  set_buffer_limits(sps, limits);
  return sps;
}

unsigned sps_id_of_pps(Span nal) {
  if (nal.size < 2) return ~0u;
  const Bytes rbsp = unescape({nal.data + 1, nal.size - 1});
  BitReader in(rbsp);
  in.ue();
  return in.ue();
}

std::optional<Pps> parse_pps_for(Span nal, const Sps &sps) {
  const Bytes rbsp = unescape({nal.data + 1, nal.size - 1});
  BitReader in(rbsp);
  Pps pps;
  pps.id = in.ue();
  pps.sps_id = in.ue();
  pps.cabac = in.flag();
  pps.bottom_field_poc = in.flag();
  pps.slice_groups = in.ue() + 1;
  if (pps.slice_groups > 1 || pps.id > 255) return std::nullopt;  // no NVDEC does slice groups
  pps.refs_l0 = in.ue() + 1;
  pps.refs_l1 = in.ue() + 1;
  pps.weighted = in.flag();
  pps.weighted_bi = in.bits(2);
  pps.init_qp = in.se();
  pps.init_qs = in.se();
  pps.chroma_qp_offset = in.se();
  pps.deblocking_control = in.flag();
  pps.constrained_intra = in.flag();
  pps.redundant_pic_cnt = in.flag();
  pps.second_chroma_qp_offset = pps.chroma_qp_offset;
  pps.lists = sps.lists;
  if (in.left() > 0) {
    pps.transform_8x8 = in.flag();
    if (in.flag()) {
      const unsigned large = pps.transform_8x8 ? (sps.chroma_format == 3 ? 6 : 2) : 0;
      pps.lists = read_lists(in, large, sps.has_lists ? sps.lists : default_lists());
    }
    pps.second_chroma_qp_offset = in.se();
  }
  return pps;
}

}  // namespace nvsim::decode::h264
