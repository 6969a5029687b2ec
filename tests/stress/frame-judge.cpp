// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame-judge.hpp"

#include <algorithm>

namespace cudacam::soak {
namespace {

constexpr std::size_t kMaxExplanations = 3;

}  // namespace

bool SharedSums::agree(std::uint64_t sequence, std::uint64_t sum) {
  const std::lock_guard guard(lock_);
  const auto known = std::find_if(seen_.begin(), seen_.end(),
                                  [&](const Seen &seen) { return seen.sequence == sequence; });
  if (known != seen_.end()) return known->sum == sum;
  seen_.push_back({sequence, sum});
  if (seen_.size() > kRemembered) seen_.pop_front();
  return true;
}

Verdicts operator+(Verdicts a, const Verdicts &b) {
  a.verified += b.verified;
  a.stale += b.stale;
  a.torn += b.torn;
  a.damaged += b.damaged;
  a.rewritten += b.rewritten;
  a.different += b.different;
  return a;
}

bool FrameJudge::judge(std::uint64_t sequence, const Look &first, const Look &last) {
  const std::uint64_t before = verdicts_.verified;
  ++wrong(sequence, first, last);
  return verdicts_.verified != before;
}

// The count that the frame goes to.
std::uint64_t &FrameJudge::wrong(std::uint64_t sequence, const Look &first, const Look &last) {
  const std::string name = "frame " + std::to_string(sequence) + " of its pool ";
  const auto verdict = numbers_.check(first.reading);
  if (verdict != test::FrameVerdict::kGood) {
    explain(numbers_.explanations().empty() ? name + to_string(verdict)
                                            : numbers_.explanations().back());
    if (verdict == test::FrameVerdict::kTorn) return verdicts_.torn;
    return verdict == test::FrameVerdict::kDamaged ? verdicts_.damaged : verdicts_.stale;
  }
  if (last.sum != first.sum) {
    const auto number = last.reading.number();
    explain(name + "was rewritten while it was held: number " +
            std::to_string(*first.reading.number()) + ", then " +
            (number ? std::to_string(*number) : "unreadable"));
    return verdicts_.rewritten;
  }
  if (!shared_.agree(sequence, first.sum)) {
    explain(name + "is not the same for all readers");
    return verdicts_.different;
  }
  return verdicts_.verified;
}

void FrameJudge::explain(const std::string &what) {
  if (explanations_.size() < kMaxExplanations) explanations_.push_back(what);
}

}  // namespace cudacam::soak
