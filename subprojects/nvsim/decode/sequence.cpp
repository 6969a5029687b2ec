// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/sequence.hpp"

#include <iterator>

namespace nvsim::decode {

AspectRatio aspect_ratio(unsigned idc) {
  static constexpr AspectRatio kTable[] = {
      {1, 1},   {1, 1},   {12, 11}, {10, 11}, {16, 11},  {40, 33}, {24, 11}, {20, 11}, {32, 11},
      {80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3},   {3, 2},   {2, 1}};
  return idc < std::size(kTable) ? kTable[idc] : AspectRatio{1, 1};
}

}  // namespace nvsim::decode
