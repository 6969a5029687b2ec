// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/h265_parser.hpp"

#include <algorithm>
#include <numeric>

namespace nvsim::decode::h265 {

namespace {

// More surfaces than the stream says are asked for: some streams say too little.
constexpr unsigned kSpareSurfaces = 3;

unsigned aligned(unsigned size) {
  return (size + 15) / 16 * 16;
}

bool same_format(const Sps &a, const Sps &b) {
  return a.width == b.width && a.height == b.height && a.chroma_format == b.chroma_format &&
         a.depth_luma == b.depth_luma && a.depth_chroma == b.depth_chroma;
}

// A.4.1 for a level that limits nothing: only the picture's size against the largest one counts.
unsigned most_pictures(const Sps &sps) {
  constexpr unsigned kLargest = 35651584, kPictures = 6;
  const unsigned size = sps.width * sps.height;
  if (size <= kLargest / 4) return 4 * kPictures < 16 ? 4 * kPictures : 16;
  if (size <= kLargest / 2) return 2 * kPictures;
  if (size <= kLargest / 4 * 3) return 4 * kPictures / 3;
  return kPictures;
}

}  // namespace

CUVIDEOFORMAT format_of(const Sps &sps) {
  CUVIDEOFORMAT format{};
  format.codec = cudaVideoCodec_HEVC;
  if (sps.vui.units_in_tick > 0 && sps.vui.time_scale > sps.vui.units_in_tick) {
    const std::uint32_t divisor = std::gcd(sps.vui.time_scale, sps.vui.units_in_tick);
    format.frame_rate.numerator = sps.vui.time_scale / divisor;
    format.frame_rate.denominator = sps.vui.units_in_tick / divisor;
  }
  format.progressive_sequence = 1;
  format.bit_depth_luma_minus8 = static_cast<unsigned char>(sps.depth_luma - 8);
  format.bit_depth_chroma_minus8 = static_cast<unsigned char>(sps.depth_chroma - 8);
  format.min_num_decode_surfaces = static_cast<unsigned char>(sps.dpb_pictures + kSpareSurfaces);
  format.coded_width = aligned(sps.width);
  format.coded_height = aligned(sps.height);
  // What is cropped on the left and at the top is shown all the same: so does NVIDIA's (measured).
  format.display_area = {0, 0, static_cast<int>(sps.width - sps.crop.right),
                         static_cast<int>(sps.height - sps.crop.bottom)};
  format.chroma_format = static_cast<cudaVideoChromaFormat>(sps.chroma_format);
  decode::describe(format, sps.vui);
  return format;
}

void H265Parser::nal_unit(Span nal, std::uint64_t position) {
  const auto header = nal_header(nal);
  if (!header || header->layer > 0) return;
  if (header->slice()) {
    slice(nal, position);
    return;
  }
  if (header->type == kSuffixSei || header->type < kSps - 1) return;
  if (open_) end_picture();
  if (header->type == kSps) {
    if (auto sps = parse_sps(nal)) sps_[sps->id] = std::move(sps);
  } else if (header->type == kPps) {
    if (auto pps = parse_pps(nal)) pps_[pps->id] = std::move(pps);
  }
}

void H265Parser::slice(Span nal, std::uint64_t position) {
  const unsigned id = pps_id_of_slice(nal);
  if (id >= pps_.size() || !pps_[id] || !sps_[pps_[id]->sps_id]) return;
  const Sps sps = *sps_[pps_[id]->sps_id];
  const auto header = parse_slice_header(nal, sps, *pps_[id]);
  if (!header) return;
  if (open_ && (header->first || header->nal.type != first_slice_.nal.type)) end_picture();
  if (!open_) {
    if (header->dependent) return;
    picture_pps_ = *pps_[id];
    if (!start_picture(*header, sps, position)) return;
  }
  if (!header->dependent) intra_ = intra_ && header->intra();
  add_slice(nal);
}

bool H265Parser::start_picture(const SliceHeader &slice, const Sps &sps, std::uint64_t position) {
  if (slice.nal.irap()) leading_skipped_ = slice.nal.type <= kIdrNLp;
  const bool changed = !active_ || !same_format(*active_, sps);
  if (changed) leading_skipped_ = true;
  if (changed || (slice.nal.irap() && leading_skipped_)) {
    buffer_.flush(slice.nal.type == kCra || slice.no_output_of_prior);
    active_.reset();
    if (!announce(format_of(sps))) return false;
    active_ = sps;
    buffer_.start_sequence(sps, std::min(surface_count(), most_pictures(sps)));
  } else if (sps.id != active_->id) {
    return false;  // no other sequence begins here
  }
  first_slice_ = slice;
  intra_ = true;
  open_ = true;
  buffer_.start_picture(slice, leading_skipped_, [&] { return new_picture(position); });
  return true;
}

void H265Parser::end_picture() {
  open_ = false;
  if (const PicturePtr &picture = buffer_.picture(); picture != nullptr) {
    picture->poc = 2 * buffer_.poc();  // counted in fields elsewhere
    CUVIDPICPARAMS params = describe_picture();
    decode(params, picture, false);
  }
  decoded();
  buffer_.finish_picture();
}

void H265Parser::end_stream() {
  buffer_.flush(false);
  buffer_.reset();
  sps_.fill(std::nullopt);
  pps_.fill(std::nullopt);
  active_.reset();
  leading_skipped_ = true;
}

CUVIDPICPARAMS H265Parser::describe_picture() const {
  CUVIDPICPARAMS params{};
  params.PicWidthInMbs = static_cast<int>(aligned(active_->width) / 16);
  params.FrameHeightInMbs = static_cast<int>(aligned(active_->height) / 16);
  params.ref_pic_flag = 1;
  params.intra_pic_flag = intra_;
  CUVIDHEVCPICPARAMS &hevc = params.CodecSpecific.hevc;
  describe(hevc, *active_);
  describe(hevc, picture_pps_, *active_);
  hevc.IrapPicFlag = first_slice_.nal.irap();
  hevc.IdrPicFlag = first_slice_.nal.idr();
  hevc.NumBitsForShortTermRPSInSlice = static_cast<int>(first_slice_.reference_bits);
  hevc.NumDeltaPocsOfRefRpsIdx = static_cast<int>(first_slice_.predicted_from);
  hevc.CurrPicOrderCntVal = buffer_.poc();
  fill_references(hevc);
  return params;
}

void H265Parser::fill_references(CUVIDHEVCPICPARAMS &hevc) const {
  const auto &slots = buffer_.slots();
  for (unsigned i = 0; i < PictureBuffer::kSlots; i++) {
    const Slot &slot = slots[i];
    const bool reference = slot.taken && slot.marking != Marking::unused &&
                           slot.picture != nullptr && !slot.picture->skipped;
    hevc.RefPicIdx[i] = reference ? slot.picture->surface : -1;
    hevc.PicOrderCntVal[i] = reference ? slot.poc : 0;
    hevc.IsLongTerm[i] = slot.marking == Marking::long_term;
  }
  const auto fill = [](const std::vector<int> &from, unsigned char(&to)[8]) {
    const std::size_t count = std::min<std::size_t>(from.size(), std::size(to));
    for (std::size_t i = 0; i < count; i++) to[i] = static_cast<unsigned char>(from[i]);
    return static_cast<int>(count);
  };
  const CurrentReferences &references = buffer_.references();
  hevc.NumPocStCurrBefore = fill(references.before, hevc.RefPicSetStCurrBefore);
  hevc.NumPocStCurrAfter = fill(references.after, hevc.RefPicSetStCurrAfter);
  hevc.NumPocLtCurr = fill(references.long_term, hevc.RefPicSetLtCurr);
  hevc.NumPocTotalCurr = hevc.NumPocStCurrBefore + hevc.NumPocStCurrAfter + hevc.NumPocLtCurr;
}

}  // namespace nvsim::decode::h265
