// SPDX-License-Identifier: LGPL-2.1-or-later
//
// NVDEC is given slices and a structure; libavcodec wants a stream. This writes the parameter sets
// that the structure stands for.
#pragma once

#include "decode/bits.hpp"
#include "decode/nvdec_types.hpp"

namespace nvsim::decode::h264 {

// SPS and PPS in Annex B form, the PPS once for each identifier that the slices use. Throws Error
// for what the structure cannot express.
Bytes parameter_sets(const CUVIDPICPARAMS &params);

}  // namespace nvsim::decode::h264
