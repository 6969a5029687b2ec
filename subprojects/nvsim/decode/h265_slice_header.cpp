// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "decode/h265_syntax.hpp"

namespace nvsim::decode::h265 {

namespace {

constexpr std::size_t kLongestHeader = 2048;
constexpr unsigned kMostReferences = 16;

// 7.4.8: derives a set from an earlier one.
ReferenceSet predict(BitReader &in, const ReferenceSet &from, int delta) {
  // In the order in which the flags come: the earlier ones, the later ones, the picture itself.
  std::vector<int> deltas;
  for (const auto &entry : from.before) deltas.push_back(entry.delta);
  for (const auto &entry : from.after) deltas.push_back(entry.delta);
  deltas.push_back(0);
  ReferenceSet set;
  for (const int base : deltas) {
    const bool used = in.flag();
    const bool kept = used || in.flag();
    const int result = base + delta;
    if (!kept || result == 0) continue;
    (result < 0 ? set.before : set.after).push_back({result, used});
  }
  std::sort(set.before.begin(), set.before.end(),
            [](const auto &a, const auto &b) { return a.delta > b.delta; });
  std::sort(set.after.begin(), set.after.end(),
            [](const auto &a, const auto &b) { return a.delta < b.delta; });
  return set;
}

void read_long_term(BitReader &in, const Sps &sps, SliceHeader &slice) {
  const auto listed = static_cast<unsigned>(sps.long_term.size());
  const unsigned from_sps = listed > 0 ? in.ue() : 0;
  const unsigned total = from_sps + in.ue();
  unsigned cycles = 0;
  for (unsigned i = 0; i < total && i < 33 && !in.overrun(); i++) {
    SliceHeader::LongTerm entry{};
    if (i < from_sps) {
      const unsigned index = in.bits(bits_for(listed));
      if (index < listed) {
        entry.poc = sps.long_term[index].poc_lsb;
        entry.used = sps.long_term[index].used;
      }
    } else {
      entry.poc = in.bits(sps.log2_max_poc_lsb);
      entry.used = in.flag();
    }
    entry.whole = in.flag();
    if (i == 0 || i == from_sps) cycles = 0;
    if (entry.whole) cycles += in.ue();
    // Relative to the picture's own count: the parser adds that.
    if (entry.whole) entry.poc -= (cycles << sps.log2_max_poc_lsb) + slice.poc_lsb;
    slice.long_term.push_back(entry);
  }
}

}  // namespace

std::optional<ReferenceSet> parse_reference_set(BitReader &in, std::size_t index, std::size_t total,
                                                const std::vector<ReferenceSet> &known,
                                                std::size_t *predicted_from) {
  if (index > 0 && in.flag()) {
    const std::size_t back = index == total ? in.ue() + 1 : 1;
    const bool negative = in.flag();
    const int absolute = static_cast<int>(in.ue() + 1);
    if (back > index || index - back >= known.size()) return std::nullopt;
    const ReferenceSet &from = known[index - back];
    if (predicted_from != nullptr) *predicted_from = from.size();
    return predict(in, from, negative ? -absolute : absolute);
  }
  const unsigned before = in.ue(), after = in.ue();
  if (before > kMostReferences || after > kMostReferences) return std::nullopt;
  ReferenceSet set;
  int delta = 0;
  for (unsigned i = 0; i < before; i++) {
    delta -= static_cast<int>(in.ue() + 1);
    set.before.push_back({delta, in.flag()});
  }
  delta = 0;
  for (unsigned i = 0; i < after; i++) {
    delta += static_cast<int>(in.ue() + 1);
    set.after.push_back({delta, in.flag()});
  }
  return set;
}

unsigned pps_id_of_slice(Span nal) {
  const auto header = nal_header(nal);
  if (!header) return ~0u;
  const Bytes rbsp = unescape({nal.data + 2, std::min<std::size_t>(nal.size - 2, 16)});
  BitReader in(rbsp);
  in.skip(header->irap() ? 2 : 1);
  return in.ue();
}

std::optional<SliceHeader> parse_slice_header(Span nal, const Sps &sps, const Pps &pps) {
  const auto header = nal_header(nal);
  if (!header) return std::nullopt;
  const Bytes rbsp = unescape({nal.data + 2, std::min(nal.size, kLongestHeader) - 2});
  BitReader in(rbsp);
  SliceHeader slice;
  slice.nal = *header;
  slice.first = in.flag();
  if (header->irap()) slice.no_output_of_prior = in.flag();
  slice.pps_id = in.ue();
  if (!slice.first) {
    if (pps.dependent_slices) slice.dependent = in.flag();
    in.skip(bits_for(sps.blocks()));
  }
  if (slice.dependent) return slice;
  in.skip(pps.extra_slice_bits);
  slice.type = in.ue();
  if (pps.output_flag) slice.output = in.flag();
  if (sps.separate_planes) in.skip(2);
  if (!header->idr()) {
    slice.poc_lsb = in.bits(sps.log2_max_poc_lsb);
    const std::size_t sets = sps.reference_sets.size();
    if (!in.flag()) {
      const std::size_t begin = in.position();
      auto set = parse_reference_set(in, sets, sets, sps.reference_sets, &slice.predicted_from);
      if (!set) return std::nullopt;
      slice.references = std::move(*set);
      slice.reference_bits = in.position() - begin;
    } else {
      const unsigned index = in.bits(bits_for(static_cast<unsigned>(sets)));
      if (index >= sets) return std::nullopt;
      slice.references = sps.reference_sets[index];
    }
    if (sps.long_term_present) read_long_term(in, sps, slice);
  }
  if (in.overrun() || slice.type > 2) return std::nullopt;
  return slice;
}

}  // namespace nvsim::decode::h265
