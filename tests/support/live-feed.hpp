// SPDX-License-Identifier: LGPL-2.1-or-later
///
/// What all pipelines of one test camera share: the next frame's number, and whether the camera is
/// frozen. Pure C++.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

namespace cudacam::test {

class LiveFeed {
 public:
  explicit LiveFeed(int fps) : fps_(fps) {}

  /// A new pipeline starts at `unix_ms`. The count jumps to what the wall clock says, so that a
  /// camera process that was killed and started again goes on above its old numbers; it never goes
  /// back below a number that this object has already given out.
  void begin(int64_t unix_ms);

  /// Takes the next number. Returns it when the frame shall be sent; a late frame, or any frame
  /// while frozen, uses its number up and is to be dropped.
  std::optional<uint32_t> next(bool late);

  void set_frozen(bool frozen);
  bool frozen() const;

  uint64_t frames_sent() const;
  /// Highest number given to a frame that was sent; empty before the first.
  std::optional<uint32_t> highest() const;

 private:
  const int fps_;
  mutable std::mutex lock_;  // guards what follows; a leaf
  int64_t next_ = 0;
  bool frozen_ = false;
  uint64_t frames_sent_ = 0;
  std::optional<uint32_t> highest_;
};

}  // namespace cudacam::test
