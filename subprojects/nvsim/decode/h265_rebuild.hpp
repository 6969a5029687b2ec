// SPDX-License-Identifier: LGPL-2.1-or-later
//
// NVDEC is given slices and a structure; libavcodec wants a stream. The structure lacks one thing
// that a stream needs, the reference picture sets of the SPS; so each slice is rewritten to carry
// its set itself. That takes another number of bits, and what follows has to stay where it is
// within its byte: spare bits (num_extra_slice_header_bits of the PPS) fill up.
#pragma once

#include <map>
#include <vector>

#include "decode/bits.hpp"
#include "decode/nvdec_types.hpp"

namespace nvsim::decode::h265 {

struct Rebuilt {
  Bytes parameter_sets;  // VPS, SPS and the PPS that the slices use
  Bytes slices;
};

class Rebuilder {
 public:
  // For the pictures of one decoder, in decode order. Throws Error for what is not simulated.
  Rebuilt rebuild(const CUVIDPICPARAMS &params);

 private:
  struct Reference {
    int delta;
    bool used;
  };
  struct References {
    std::vector<Reference> before, after;  // nearest first
  };
  References collect(const CUVIDHEVCPICPARAMS &hevc) const;
  void remember(const CUVIDPICPARAMS &params, const References &references);
  static BitWriter explicit_set(const References &references);

  // The reference pictures that libavcodec holds: picture order count and surface. Programs leave
  // entries that they do not use as they come, so only what is in here counts.
  std::map<int, int> held_;
};

// The surfaces that the picture itself reads.
std::vector<int> used_references(const CUVIDHEVCPICPARAMS &hevc);

Bytes parameter_sets(const CUVIDPICPARAMS &params, unsigned pps_id, unsigned extra_slice_bits);

}  // namespace nvsim::decode::h265
