// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A picture on its way through the parser, and the decode surfaces that pictures live in.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace nvsim::decode {

struct Picture {
  int surface = -1;
  int poc = 0;
  unsigned fields = 2;  // shown: 1 for an unpaired field
  bool progressive = true;
  bool top_first = false;
  int repeat_first_field = 0;
  bool skipped = false;  // never decoded, so never shown

  bool has_pts = false;
  bool after_gap = false;  // its packet was marked as a discontinuity
  std::int64_t pts = 0;
  std::uint64_t decoded_as = 0;  // the number, in decode order, of it or of its last field
};

// Whoever holds one keeps its surface from being decoded into: the picture buffer and the queue of
// pictures to be shown.
using PicturePtr = std::shared_ptr<Picture>;

class Surfaces {
 public:
  explicit Surfaces(unsigned count) { resize(count); }
  void resize(unsigned count);
  unsigned count() const { return static_cast<unsigned>(slots_.size()); }

  // A picture in the free surface that was shown longest ago; nullptr when none is free.
  PicturePtr acquire();
  void shown(int surface);

 private:
  struct Slot {
    std::weak_ptr<Picture> picture;
    std::uint64_t last_shown = 0;
  };
  std::vector<Slot> slots_;
  std::uint64_t shown_count_ = 0;
};

}  // namespace nvsim::decode
