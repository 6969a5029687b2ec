// SPDX-License-Identifier: LGPL-2.1-or-later
/// How long leases were held: a histogram of fixed size, from a microsecond to more than an hour.
///
/// Four buckets for each doubling, so a quantile is at most a quarter too large, never too small.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace cudacam {

class HoldTimes {
 public:
  using Duration = std::chrono::nanoseconds;

  void add(Duration held) {
    ++buckets_[bucket(held)];
    ++count_;
  }
  std::uint64_t count() const { return count_; }

  /// The time that `percent` (1 to 100) of all leases did not exceed; zero when there was none.
  Duration quantile(unsigned percent) const {
    if (!count_) return Duration::zero();
    const auto wanted = (count_ * percent + 99) / 100;
    std::uint64_t sum = 0;
    std::size_t index = 0;
    while (index + 1 < kBuckets && (sum += buckets_[index]) < wanted) ++index;
    return upper_bound(index);
  }

 private:
  static constexpr unsigned kPerDoubling = 4;
  static constexpr unsigned kDoublings = 32;
  static constexpr std::size_t kBuckets = kDoublings * kPerDoubling;
  static constexpr std::uint64_t kUnit = 1000;  // nanoseconds: the first bucket is a microsecond

  /// Bucket i < 4 holds up to i+1 units; after that, bucket 4d+q holds up to 2^(d-1) * (5+q) units.
  static constexpr std::uint64_t units(std::size_t index) {
    if (index < kPerDoubling) return index + 1;
    const auto doubling = index / kPerDoubling;
    return (std::uint64_t{1} << (doubling - 1)) * (kPerDoubling + 1 + index % kPerDoubling);
  }
  static Duration upper_bound(std::size_t index) {
    return Duration(static_cast<Duration::rep>(units(index) * kUnit));
  }
  static std::size_t bucket(Duration held) {
    const auto wanted = held.count() <= 0 ? 0 : static_cast<std::uint64_t>(held.count());
    std::size_t low = 0;
    std::size_t high = kBuckets - 1;  // takes all that is longer, too
    while (low < high) {
      const auto middle = (low + high) / 2;
      if (wanted <= units(middle) * kUnit)
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }

  std::array<std::uint32_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace cudacam
