// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/h265_syntax.hpp"

namespace nvsim::decode::h265 {

namespace {

// Table 7-6, in the order of the diagonal scan.
constexpr std::array<std::uint8_t, 64> kIntra = {
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 17, 16, 17, 16, 17, 18, 17, 18, 18, 17, 18, 21,
    19, 20, 21, 20, 19, 21, 24, 22, 22, 24, 24, 22, 22, 24, 25, 25, 27, 30, 27, 25, 25, 29,
    31, 35, 35, 31, 29, 36, 41, 44, 41, 36, 47, 54, 54, 47, 65, 70, 65, 88, 88, 115};
constexpr std::array<std::uint8_t, 64> kInter = {
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 17, 17, 17, 17, 17, 18, 18, 18, 18, 18, 18, 20,
    20, 20, 20, 20, 20, 20, 24, 24, 24, 24, 24, 24, 24, 24, 25, 25, 25, 25, 25, 25, 25, 28,
    28, 28, 28, 28, 28, 33, 33, 33, 33, 33, 41, 41, 41, 41, 54, 54, 54, 71, 71, 91};

const std::array<std::uint8_t, 64> &default_of(unsigned matrix) {
  return matrix < 3 ? kIntra : kInter;
}

template <typename List>
void read_coefficients(BitReader &in, List &list, std::uint8_t *dc) {
  int next = 8;
  if (dc != nullptr) {
    next = in.se() + 8;
    *dc = static_cast<std::uint8_t>(next);
  }
  for (auto &value : list) {
    next = (next + in.se() + 256) % 256;
    value = static_cast<std::uint8_t>(next);
  }
}

// One size; `step` is 3 for the 32x32 lists, of which only two are coded.
template <typename Lists>
void read_size(BitReader &in, Lists &lists, const Lists &defaults, std::array<std::uint8_t, 6> *dc,
               unsigned step) {
  for (unsigned matrix = 0; matrix < 6; matrix += step) {
    if (in.flag()) {
      read_coefficients(in, lists[matrix], dc != nullptr ? &(*dc)[matrix] : nullptr);
      continue;
    }
    const unsigned back = in.ue() * step;
    if (back == 0 || back > matrix) {
      lists[matrix] = defaults[matrix];
      if (dc != nullptr) (*dc)[matrix] = 16;
    } else {
      lists[matrix] = lists[matrix - back];
      if (dc != nullptr) (*dc)[matrix] = (*dc)[matrix - back];
    }
  }
}

}  // namespace

ScalingLists default_lists() {
  ScalingLists lists;
  for (unsigned matrix = 0; matrix < 6; matrix++) {
    lists.size4[matrix].fill(16);
    lists.size8[matrix] = lists.size16[matrix] = lists.size32[matrix] = default_of(matrix);
  }
  lists.dc16.fill(16);
  lists.dc32.fill(16);
  return lists;
}

ScalingLists parse_scaling_lists(BitReader &in) {
  const ScalingLists defaults = default_lists();
  ScalingLists lists = defaults;
  read_size(in, lists.size4, defaults.size4, nullptr, 1);
  read_size(in, lists.size8, defaults.size8, nullptr, 1);
  read_size(in, lists.size16, defaults.size16, &lists.dc16, 1);
  read_size(in, lists.size32, defaults.size32, &lists.dc32, 3);
  return lists;
}

}  // namespace nvsim::decode::h265
