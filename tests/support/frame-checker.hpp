// SPDX-License-Identifier: LGPL-2.1-or-later
///
/// Judges the frames that one reader got, in the order in which it got them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "frame-number.hpp"

namespace cudacam::test {

enum class FrameVerdict {
  kGood,
  kRepeated,  // the number of the last good frame once more
  kStale,     // a lower number: an old frame after a newer one
  kTorn,      // top and bottom belong to different frames
  kDamaged,   // a mark is unreadable
};

const char *to_string(FrameVerdict verdict);

/// Numbers must rise strictly; gaps are allowed, since readers skip frames. Numbers are compared
/// modulo 2^32, so a camera may count past the end. One reader each; not thread-safe.
class FrameChecker {
 public:
  FrameVerdict check(const FrameReading &reading);

  uint64_t checked() const { return good_ + bad(); }
  uint64_t good() const { return good_; }
  uint64_t bad() const { return repeated_ + stale_ + torn_ + damaged_; }
  uint64_t repeated() const { return repeated_; }
  uint64_t stale() const { return stale_; }
  uint64_t torn() const { return torn_; }
  uint64_t damaged() const { return damaged_; }

  /// Number of the newest good frame.
  std::optional<uint32_t> last() const { return last_; }

  /// The first few bad frames in words.
  const std::vector<std::string> &explanations() const { return explanations_; }

 private:
  FrameVerdict judge(const FrameReading &reading) const;
  void explain(FrameVerdict verdict, const FrameReading &reading);

  std::optional<uint32_t> last_;
  uint64_t good_ = 0;
  uint64_t repeated_ = 0;
  uint64_t stale_ = 0;
  uint64_t torn_ = 0;
  uint64_t damaged_ = 0;
  std::vector<std::string> explanations_;
};

}  // namespace cudacam::test
