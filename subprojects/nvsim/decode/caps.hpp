// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the simulated engine claims to decode.
#pragma once

#include "decode/nvdec_types.hpp"

namespace nvsim::decode {

// Fills the OUT fields from the IN fields, with the limits of an H200 for what is simulated and
// "not supported" for all else.
void describe(CUVIDDECODECAPS &caps);

}  // namespace nvsim::decode
