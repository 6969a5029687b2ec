// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gap-book.hpp"

#include <algorithm>
#include <cmath>

namespace cudacam::soak {
namespace {

constexpr double kFirstBin = 1e-3;
// A short outage may pass without a new connection. After so long without one there was none.
constexpr double kNoNewConnection = 10;

}  // namespace

void IntervalHistogram::add(double seconds) {
  const double bin =
      std::floor(std::log10(std::max(seconds, kFirstBin) / kFirstBin) * kBinsPerDecade + 1e-9);
  ++counts[static_cast<std::size_t>(std::min<double>(bin, kBins - 1))];
}

double IntervalHistogram::lower_bound(int bin) {
  return kFirstBin * std::pow(10, double(bin) / kBinsPerDecade);
}

IntervalHistogram operator+(IntervalHistogram a, const IntervalHistogram &b) {
  for (std::size_t i = 0; i < a.counts.size(); ++i) a.counts[i] += b.counts[i];
  return a;
}

void GapBook::frame(Clock::time_point now, std::uint64_t connection) {
  const std::lock_guard guard(lock_);
  if (newest_) {
    const double interval = seconds_between(*newest_, now);
    double &longest = outage_ ? outage_->longest : report_.longest;
    longest = std::max(longest, interval);
    if (!outage_) report_.intervals.add(interval);
  }
  newest_ = now;
  connection_ = connection;
  if (outage_) judge_outage(now, connection);
}

void GapBook::judge_outage(Clock::time_point now, std::uint64_t connection) {
  if (!outage_->end || now < *outage_->end) return;
  if (connection == outage_->connection && seconds_between(*outage_->end, now) < kNoNewConnection)
    return;
  const double away = seconds_between(outage_->begin, *outage_->end);
  report_.beyond.push_back(std::max(0.0, outage_->longest - away));
  report_.recovered = true;
  outage_.reset();
}

void GapBook::outage_begins(Clock::time_point now) {
  const std::lock_guard guard(lock_);
  report_.recovered = false;
  if (!outage_)
    outage_ = Outage{now, std::nullopt, connection_};
  else
    outage_->end.reset();
}

void GapBook::outage_ends(Clock::time_point now) {
  const std::lock_guard guard(lock_);
  if (outage_) outage_->end = now;
}

GapBook::Report GapBook::report() const {
  const std::lock_guard guard(lock_);
  return report_;
}

}  // namespace cudacam::soak
