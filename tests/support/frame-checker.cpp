// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame-checker.hpp"

namespace cudacam::test {
namespace {

constexpr size_t kMaxExplanations = 5;

std::string in_words(std::optional<uint32_t> number) {
  return number ? std::to_string(*number) : "unreadable";
}

}  // namespace

const char *to_string(FrameVerdict verdict) {
  switch (verdict) {
    case FrameVerdict::kGood:
      return "good";
    case FrameVerdict::kRepeated:
      return "repeated";
    case FrameVerdict::kStale:
      return "stale";
    case FrameVerdict::kTorn:
      return "torn";
    case FrameVerdict::kDamaged:
      return "damaged";
  }
  return "unknown";
}

FrameVerdict FrameChecker::judge(const FrameReading &reading) const {
  if (!reading.top || !reading.bottom) return FrameVerdict::kDamaged;
  if (*reading.top != *reading.bottom) return FrameVerdict::kTorn;
  if (!last_) return FrameVerdict::kGood;
  const auto step = static_cast<int32_t>(*reading.top - *last_);
  if (step == 0) return FrameVerdict::kRepeated;
  return step > 0 ? FrameVerdict::kGood : FrameVerdict::kStale;
}

FrameVerdict FrameChecker::check(const FrameReading &reading) {
  const FrameVerdict verdict = judge(reading);
  switch (verdict) {
    case FrameVerdict::kGood:
      ++good_;
      last_ = reading.top;
      return verdict;
    case FrameVerdict::kRepeated:
      ++repeated_;
      break;
    case FrameVerdict::kStale:
      ++stale_;
      break;
    case FrameVerdict::kTorn:
      ++torn_;
      break;
    case FrameVerdict::kDamaged:
      ++damaged_;
      break;
  }
  explain(verdict, reading);
  return verdict;
}

void FrameChecker::explain(FrameVerdict verdict, const FrameReading &reading) {
  if (explanations_.size() >= kMaxExplanations) return;
  explanations_.push_back("frame " + std::to_string(checked()) + " of this reader is " +
                          to_string(verdict) + ": top " + in_words(reading.top) + ", bottom " +
                          in_words(reading.bottom) + ", last good " + in_words(last_));
}

}  // namespace cudacam::test
