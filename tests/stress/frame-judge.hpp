// SPDX-License-Identifier: LGPL-2.1-or-later
/// Says whether a frame is the one it should be, all of it, and for as long as it is held. Pure
/// C++.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "examiner.hpp"
#include "frame-checker.hpp"

namespace cudacam::soak {

/// What the readers of one camera saw in the same frame has to be the same. Any thread.
class SharedSums {
 public:
  /// Whether `sum` is what the others saw in the frame of this number at its pool. False once for
  /// each reader that saw something else; a frame that is too old to be remembered agrees.
  bool agree(std::uint64_t sequence, std::uint64_t sum);

 private:
  static constexpr std::size_t kRemembered = 256;
  struct Seen {
    std::uint64_t sequence;
    std::uint64_t sum;
  };
  std::mutex lock_;  // guards the next; a leaf
  std::deque<Seen> seen_;
};

struct Verdicts {
  std::uint64_t verified = 0;
  std::uint64_t stale = 0;      ///< or repeated
  std::uint64_t torn = 0;       ///< top and bottom are of different frames
  std::uint64_t damaged = 0;    ///< a number is unreadable
  std::uint64_t rewritten = 0;  ///< changed while it was held
  std::uint64_t different = 0;  ///< from what another reader saw in the same frame

  std::uint64_t bad() const { return stale + torn + damaged + rewritten + different; }
};

Verdicts operator+(Verdicts a, const Verdicts &b);

/// The frames of one reader, in its order. One thread.
class FrameJudge {
 public:
  explicit FrameJudge(SharedSums &shared) : shared_(shared) {}

  /// A frame that looked like `first` when it was taken and like `last` before it was given back.
  /// Returns whether it was good; each bad frame counts once, by the first thing that is wrong.
  bool judge(std::uint64_t sequence, const Look &first, const Look &last);

  const Verdicts &verdicts() const { return verdicts_; }
  /// The first few bad frames in words.
  const std::vector<std::string> &explanations() const { return explanations_; }

 private:
  std::uint64_t &wrong(std::uint64_t sequence, const Look &first, const Look &last);
  void explain(const std::string &what);

  SharedSums &shared_;
  test::FrameChecker numbers_;
  Verdicts verdicts_;
  std::vector<std::string> explanations_;
};

}  // namespace cudacam::soak
