// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/h265_rebuild.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

#include "decode/h265_syntax.hpp"
#include "driver/seam.hpp"

namespace nvsim::decode::h265 {

namespace {

constexpr unsigned kMostExtraBits = 7;

// Which of the 16 entries the picture itself refers to.
std::array<bool, 16> used_entries(const CUVIDHEVCPICPARAMS &hevc) {
  std::array<bool, 16> used{};
  const auto mark = [&used](const unsigned char *list, int count) {
    for (int i = 0; i < std::min(count, 8); i++)
      if (list[i] < used.size()) used[list[i]] = true;
  };
  mark(hevc.RefPicSetStCurrBefore, hevc.NumPocStCurrBefore);
  mark(hevc.RefPicSetStCurrAfter, hevc.NumPocStCurrAfter);
  mark(hevc.RefPicSetLtCurr, hevc.NumPocLtCurr);
  return used;
}

unsigned blocks(const CUVIDHEVCPICPARAMS &hevc) {
  const int size = 1 << (hevc.log2_min_luma_coding_block_size_minus3 + 3 +
                         hevc.log2_diff_max_min_luma_coding_block_size);
  return static_cast<unsigned>(((hevc.pic_width_in_luma_samples + size - 1) / size) *
                               ((hevc.pic_height_in_luma_samples + size - 1) / size));
}

// Where the header's parts begin, in bits of the unescaped payload.
struct Places {
  unsigned pps_id = 0;
  bool has_set = false;
  std::size_t extra_bits = 0;  // where spare bits may be put in
  std::size_t set = 0, after_set = 0;
};

Places find_places(const NalHeader &nal, const Bytes &rbsp, const CUVIDHEVCPICPARAMS &hevc) {
  BitReader in(rbsp);
  Places places;
  const bool first = in.flag();
  if (nal.irap()) in.skip(1);
  places.pps_id = in.ue();
  if (!first) {
    const bool dependent = hevc.dependent_slice_segments_enabled_flag && in.flag();
    in.skip(bits_for(blocks(hevc)));
    if (dependent) return places;
  }
  places.extra_bits = in.position();
  in.skip(hevc.num_extra_slice_header_bits);
  in.ue();
  if (hevc.output_flag_present_flag) in.skip(1);
  if (nal.idr()) return places;
  in.skip(hevc.log2_max_pic_order_cnt_lsb_minus4 + 4u);
  places.has_set = true;
  places.set = in.position();
  if (in.flag())
    in.skip(bits_for(hevc.num_short_term_ref_pic_sets));
  else
    in.skip(static_cast<std::size_t>(std::max(0, hevc.NumBitsForShortTermRPSInSlice)));
  places.after_set = in.position();
  return places;
}

void copy_bits(const Bytes &from, std::size_t begin, std::size_t end, BitWriter &out) {
  BitReader in(from);
  in.skip(begin);
  for (; begin < end; begin++) out.flag(in.flag());
}

// Bits that the old set takes more than the new one, modulo a byte: to be filled up.
unsigned spare_bits(const Places &places, const BitWriter &set) {
  const std::size_t old_bits = places.after_set - places.set;
  return static_cast<unsigned>((old_bits + 8 * set.size_in_bits() - set.size_in_bits()) % 8);
}

Bytes rewritten(const Bytes &rbsp, const Places &places, const BitWriter &set, unsigned spare) {
  BitWriter header;
  copy_bits(rbsp, 0, places.extra_bits, header);
  header.bits(0, spare);
  copy_bits(rbsp, places.extra_bits, places.set, header);
  copy_bits(set.bytes(), 0, set.size_in_bits(), header);
  // Up to the next byte of the source; from there on whole bytes.
  const std::size_t byte = (places.after_set + 7) / 8;
  copy_bits(rbsp, places.after_set, byte * 8, header);
  Bytes out = header.bytes();
  if (byte < rbsp.size())
    out.insert(out.end(), rbsp.begin() + static_cast<std::ptrdiff_t>(byte), rbsp.end());
  return out;
}

void refuse_what_is_not_simulated(const CUVIDHEVCPICPARAMS &hevc) {
  if (hevc.sps_range_extension_flag || hevc.pps_range_extension_flag)
    throw Error{not_simulated("H.265 extensions")};
  if (hevc.separate_colour_plane_flag) throw Error{not_simulated("H.265 separate planes")};
}

}  // namespace

std::vector<int> used_references(const CUVIDHEVCPICPARAMS &hevc) {
  std::vector<int> references;
  const auto used = used_entries(hevc);
  for (unsigned i = 0; i < used.size(); i++)
    if (used[i] && hevc.RefPicIdx[i] >= 0) references.push_back(hevc.RefPicIdx[i]);
  return references;
}

// The picture's short-term set: what it uses, and what later pictures may need.
Rebuilder::References Rebuilder::collect(const CUVIDHEVCPICPARAMS &hevc) const {
  const auto used = used_entries(hevc);
  std::map<int, bool> deltas;
  for (unsigned i = 0; i < used.size(); i++) {
    const int poc = hevc.PicOrderCntVal[i], delta = poc - hevc.CurrPicOrderCntVal;
    const auto held = held_.find(poc);
    const bool known = held != held_.end() && held->second == hevc.RefPicIdx[i];
    if (hevc.RefPicIdx[i] < 0 || delta == 0 || (!used[i] && !known)) continue;
    if (used[i] && hevc.IsLongTerm[i]) throw Error{not_simulated("H.265 long-term references")};
    deltas[delta] |= used[i];
  }
  References references;
  for (const auto &[delta, is_used] : deltas)
    (delta < 0 ? references.before : references.after).push_back({delta, is_used});
  std::reverse(references.before.begin(), references.before.end());
  return references;
}

void Rebuilder::remember(const CUVIDPICPARAMS &params, const References &references) {
  const CUVIDHEVCPICPARAMS &hevc = params.CodecSpecific.hevc;
  std::map<int, int> still;
  if (!hevc.IdrPicFlag) {
    for (const auto *list : {&references.before, &references.after}) {
      for (const Reference &reference : *list) {
        const auto held = held_.find(hevc.CurrPicOrderCntVal + reference.delta);
        if (held != held_.end() && held->second != params.CurrPicIdx) still.insert(*held);
      }
    }
  }
  still[hevc.CurrPicOrderCntVal] = params.CurrPicIdx;
  held_ = std::move(still);
}

// short_term_ref_pic_set_sps_flag and st_ref_pic_set() of a stream whose SPS has no sets.
BitWriter Rebuilder::explicit_set(const References &references) {
  BitWriter out;
  out.flag(false);
  out.ue(static_cast<unsigned>(references.before.size()));
  out.ue(static_cast<unsigned>(references.after.size()));
  for (const auto *list : {&references.before, &references.after}) {
    int last = 0;
    for (const Reference &reference : *list) {
      out.ue(static_cast<unsigned>(std::abs(reference.delta) - std::abs(last) - 1));
      out.flag(reference.used);
      last = reference.delta;
    }
  }
  return out;
}

Rebuilt Rebuilder::rebuild(const CUVIDPICPARAMS &params) {
  const CUVIDHEVCPICPARAMS &hevc = params.CodecSpecific.hevc;
  refuse_what_is_not_simulated(hevc);
  const References references = collect(hevc);
  const BitWriter set = explicit_set(references);
  Rebuilt result;
  std::optional<unsigned> spare;
  unsigned pps_id = 0;
  AnnexB units({params.pBitstreamData, params.nBitstreamDataLen});
  for (Span nal; units.next(nal);) {
    const auto header = nal_header(nal);
    if (!header || !header->slice()) continue;
    Bytes rbsp = unescape({nal.data + 2, nal.size - 2});
    const Places places = find_places(*header, rbsp, hevc);
    pps_id = places.pps_id;
    if (places.has_set) {
      const unsigned wanted = spare_bits(places, set);
      if (spare.value_or(wanted) != wanted)
        throw Error{not_simulated("H.265 slices of one picture with differing reference sets")};
      spare = wanted;
      rbsp = rewritten(rbsp, places, set, wanted);
    }
    result.slices.insert(result.slices.end(), {0, 0, 1, nal.data[0], nal.data[1]});
    append_escaped(result.slices, rbsp);
  }
  const unsigned extra = hevc.num_extra_slice_header_bits + spare.value_or(0);
  if (extra > kMostExtraBits) throw Error{not_simulated("H.265 spare slice header bits")};
  result.parameter_sets = parameter_sets(params, pps_id, extra);
  remember(params, references);
  return result;
}

}  // namespace nvsim::decode::h265
