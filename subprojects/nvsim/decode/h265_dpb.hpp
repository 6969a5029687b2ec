// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The decoded picture buffer of H.265: picture order counts (8.3.1), reference picture sets (8.3.2)
// and which picture is shown when (C.5.2). Pure bookkeeping.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "decode/h265_syntax.hpp"
#include "decode/picture.hpp"

namespace nvsim::decode::h265 {

enum class Marking { unused, short_term, long_term };

struct Slot {
  PicturePtr picture;
  bool taken = false;    // holds a decoded picture
  bool waiting = false;  // to be shown
  Marking marking = Marking::unused;
  int poc = 0;
};

// The current picture's references, as numbers of slots; -1 for one that is missing.
struct CurrentReferences {
  std::vector<int> before, after, long_term;
};

class PictureBuffer {
 public:
  using Output = std::function<void(const PicturePtr &)>;
  static constexpr unsigned kSlots = 16;

  explicit PictureBuffer(Output output) : output_(std::move(output)) { slots_.resize(kSlots + 1); }

  void start_sequence(const Sps &sps, unsigned capacity);
  // All that waits is given out, unless the stream says that it is not to be.
  void flush(bool discard);
  void reset();

  // `leading_skipped`: the pictures that lead a random access point are not shown.
  void start_picture(const SliceHeader &slice, bool leading_skipped,
                     const std::function<PicturePtr()> &acquire);
  void finish_picture();

  int poc() const { return slots_[current_].poc; }
  const PicturePtr &picture() const { return slots_[current_].picture; }
  const std::vector<Slot> &slots() const { return slots_; }
  const CurrentReferences &references() const { return references_; }

 private:
  int count(const SliceHeader &slice, bool restart);
  void select_references(const SliceHeader &slice, int poc, bool restart);
  std::vector<int> mark_long_term(const SliceHeader &slice, int poc);
  int find(int poc, bool short_term_only, int mask) const;
  int nearest(int poc) const;
  bool bump(unsigned allowed);
  void empty_unused();
  unsigned held() const;

  Output output_;
  Sps sps_;
  unsigned capacity_ = kSlots;
  std::vector<Slot> slots_;
  std::size_t current_ = kSlots;
  CurrentReferences references_;
  int previous_msb_ = 0, previous_lsb_ = 0;
};

}  // namespace nvsim::decode::h265
