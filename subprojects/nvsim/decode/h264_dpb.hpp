// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The decoded picture buffer of H.264: picture order counts (8.2.1), reference marking (8.2.5),
// and which picture is shown when (C.4). Pure bookkeeping, with frames and fields.
#pragma once

#include <array>
#include <functional>

#include "decode/h264_syntax.hpp"
#include "decode/picture.hpp"

namespace nvsim::decode::h264 {

// Bits for the fields of a frame.
enum Fields : unsigned { kNone = 0, kTop = 1, kBottom = 2, kBoth = 3 };

struct FrameStore {
  PicturePtr picture;        // empty for a frame that never existed
  unsigned fields = kNone;   // decoded so far; none: the store is free
  unsigned waiting = kNone;  // still to be shown
  unsigned short_term = kNone, long_term = kNone;
  bool not_existing = false, reference = false, paired = false;
  int frame_num = 0, frame_num_wrap = 0, long_term_idx = 0;
  std::array<int, 2> poc{};

  bool used() const { return (short_term | long_term) != 0; }
  bool idle() const { return waiting == kNone && !used(); }
  void unmark() { short_term = long_term = kNone; }
  int order() const;
};

class PocCounter {
 public:
  void reset() { *this = PocCounter(); }
  // The counts of the picture's top and bottom field; for a field only its own is meant.
  std::array<int, 2> next(const SliceHeader &slice, const Sps &sps);
  // After the picture was decoded; `poc` are its counts.
  void done(const SliceHeader &slice, const std::array<int, 2> &poc);

 private:
  std::array<int, 2> by_lsb(const SliceHeader &slice, const Sps &sps);
  std::array<int, 2> by_frame(const SliceHeader &slice, const Sps &sps);

  int previous_msb_ = 0, previous_lsb_ = 0, msb_ = 0;
  int previous_frame_num_ = 0, previous_offset_ = 0, offset_ = 0;
  bool previous_reset_ = false;
};

class PictureBuffer {
 public:
  using Output = std::function<void(const PicturePtr &)>;
  static constexpr unsigned kStores = 16;

  explicit PictureBuffer(Output output) : output_(std::move(output)) {}

  // A sequence begins: `capacity` frames are held at most.
  void start_sequence(const Sps &sps, unsigned capacity);
  // All that waits is given out, everything is forgotten.
  void flush();
  void reset();

  // Begins a picture. True when it is the second field of the frame in work, which keeps its
  // picture; otherwise `acquire` is asked for one.
  bool start_picture(const SliceHeader &slice, const std::function<PicturePtr()> &acquire);
  void finish_picture();

  const FrameStore &current() const { return *current_; }
  FrameStore &current() { return *current_; }
  const std::array<FrameStore, kStores> &stores() const { return stores_; }

 private:
  bool completes_frame(const SliceHeader &slice) const;
  void fill_gap(const SliceHeader &slice);
  void add_missing_frame(int frame_num);

  void mark(const SliceHeader &slice);
  void slide(const FrameStore *except);
  void apply(const Marking &marking, const SliceHeader &slice);
  void unmark_short(int pic_num, unsigned current_field, bool field);
  void unmark_long(int pic_num, unsigned current_field, bool field);
  void make_long(const Marking &marking, const SliceHeader &slice);
  void free_long_idx(int idx, const FrameStore *except);
  void update_wraps(int frame_num);

  void store_current();
  bool shows_at_once() const;
  void show(FrameStore &store);
  bool bump();
  void limit_reordering();
  void empty_idle();
  FrameStore *free_store();
  unsigned held() const;
  template <typename Match>
  FrameStore *find(Match match);

  Output output_;
  Sps sps_;
  unsigned capacity_ = 1;
  std::array<FrameStore, kStores> stores_;
  FrameStore spare_;  // the picture in work until it is stored
  FrameStore *current_ = &spare_;
  SliceHeader slice_;
  bool started_ = false;
  PocCounter poc_;
  int previous_ref_frame_num_ = 0;
};

}  // namespace nvsim::decode::h264
