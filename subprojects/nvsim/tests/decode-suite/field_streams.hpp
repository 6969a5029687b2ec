// SPDX-License-Identifier: LGPL-2.1-or-later
//
// H.264 streams with field pictures (PAFF), which no free encoder makes, written bit by bit: a few
// macroblocks of noise in each picture (I_PCM), the others skipped, so that they are predicted from
// whatever the decoder takes for the first reference.
#pragma once

#include <string>
#include <vector>

#include "decode/bits.hpp"

namespace field_streams {

using nvsim::decode::Bytes;

struct Stream {
  std::string name;
  std::vector<Bytes> units;       // access units; each field is one
  std::size_t frames = 0;         // that come out of a decoder
  std::size_t single_fields = 0;  // of these, fields without a second
};

std::vector<Stream> all();

}  // namespace field_streams
