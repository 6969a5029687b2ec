// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which time stamp a picture gets: that of the packet in which it begins. Pictures without one are
// given the time that the frame rate suggests. Streams whose stamps turn out to be in decode order
// get them sorted; the decision falls within the first pictures and then stays (measured).
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>

#include "decode/picture.hpp"

namespace nvsim::decode {

class Timestamps {
 public:
  explicit Timestamps(std::int64_t clock_rate) : clock_rate_(clock_rate) {}

  // Forgets what belongs to one stream; what was learnt about the order of stamps stays.
  void end_of_stream();
  void set_frame_rate(std::uint32_t numerator, std::uint32_t denominator);

  // Positions count the bytes of the stream.
  void packet(std::uint64_t position, bool has_pts, std::int64_t pts, bool after_gap);
  void picture_begins(Picture &picture, std::uint64_t position);
  void picture_decoded(const PicturePtr &picture) { waiting_.push_back(picture); }

  // Settles the picture's stamp, in display order.
  void picture_leaves(const PicturePtr &picture);

 private:
  struct Stamp {
    std::uint64_t position;
    std::int64_t pts;
    bool after_gap;
  };
  std::int64_t guess(const Picture &picture) const;
  void sort(Picture &picture);

  static constexpr int kPicturesChecked = 16;

  std::int64_t clock_rate_;
  std::int64_t frame_duration_ = 0;
  std::deque<Stamp> stamps_;
  // Decoded, not yet on their way to be shown. Some never will be: their surfaces must not be held.
  std::list<std::weak_ptr<Picture>> waiting_;
  std::int64_t expected_ = 0;
  bool nothing_shown_ = true;
  bool in_decode_order_ = false;
  int unchecked_ = kPicturesChecked;
};

}  // namespace nvsim::decode
