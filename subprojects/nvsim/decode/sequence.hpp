// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a sequence parameter set says about the pictures, for either codec.
#pragma once

#include <cstdint>

namespace nvsim::decode {

struct VideoUsability {
  unsigned aspect_width = 1, aspect_height = 1;
  unsigned video_format = 5;
  bool full_range = false;
  unsigned primaries = 2, transfer = 2, matrix = 2;  // 2: unspecified
  std::uint32_t units_in_tick = 0, time_scale = 0;   // 0: unknown
};

// The sample aspect ratios of table E-1, by aspect_ratio_idc; {1, 1} for what it does not list.
struct AspectRatio {
  unsigned width, height;
};
AspectRatio aspect_ratio(unsigned idc);

struct Crop {
  unsigned left = 0, right = 0, top = 0, bottom = 0;  // luma samples
};

}  // namespace nvsim::decode
