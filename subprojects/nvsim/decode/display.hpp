// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The queue of pictures that are in display order but not shown yet: the display delay.
// A picture is shown when more pictures than the delay wait, when a decode surface is needed, or
// once three more pictures have been decoded, one for each picture decoded (measured on an H200).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "decode/picture.hpp"
#include "decode/timestamps.hpp"

namespace nvsim::decode {

class Display {
 public:
  using Show = std::function<void(const Picture &)>;

  Display(unsigned delay, Surfaces &surfaces, Timestamps &timestamps, Show show)
      : delay_(delay), surfaces_(surfaces), timestamps_(timestamps), show_(std::move(show)) {}

  // The next picture in display order.
  void push(const PicturePtr &picture);
  // A picture was decoded: what is old enough is shown.
  void decoded(std::uint64_t number);
  // Shows one picture early. False when none waits.
  bool show_one();
  void show_all();

 private:
  static constexpr std::uint64_t kSettledAfter = 3;

  unsigned delay_;
  Surfaces &surfaces_;
  Timestamps &timestamps_;
  Show show_;
  std::deque<PicturePtr> queue_;
};

}  // namespace nvsim::decode
