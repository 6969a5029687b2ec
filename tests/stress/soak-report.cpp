// SPDX-License-Identifier: LGPL-2.1-or-later
#include "soak-report.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "percentiles.hpp"

namespace cudacam::soak {
namespace {

constexpr double kMiB = 1024 * 1024;
constexpr std::size_t kMaxComplaints = 20;

bool is_memory(const UsageWatch::Growth &growth) {
  return growth.what == "VRAM" || growth.what == "resident memory";
}

std::string amount(const UsageWatch::Growth &growth, std::uint64_t value) {
  char text[32];
  if (is_memory(growth))
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(value) / kMiB);
  else
    std::snprintf(text, sizeof text, "%" PRIu64, value);
  return text;
}

}  // namespace

void SoakReport::add(const SoakCamera::Result &camera) {
  ++cameras_;
  verdicts_ = verdicts_ + camera.verdicts;
  cuda_errors_ += camera.cuda_errors;
  overdue_ += camera.overdue;
  connections_ += camera.connections;
  retries_ += camera.retries;
  decoders_ += camera.decoders;
  dropped_ += camera.dropped;
  if (!camera.memory.empty()) memory_ = camera.memory;
  complaints.insert(complaints.end(), camera.complaints.begin(), camera.complaints.end());
  by_reader_.resize(std::max(by_reader_.size(), camera.gaps.size()));
  for (std::size_t i = 0; i < camera.gaps.size(); ++i) {
    const GapBook::Report &gaps = camera.gaps[i];
    by_reader_[i] = by_reader_[i] + gaps.intervals;
    longest_interval_ = std::max(longest_interval_, gaps.longest);
    beyond_.insert(beyond_.end(), gaps.beyond.begin(), gaps.beyond.end());
  }
}

void SoakReport::add(const UsageWatch &watch) {
  vram_ = watch.vram_by_minute();
  growth_ = watch.growth();
  for (const auto &growth : growth_)
    if (growth.grew())
      complaints.push_back(growth.what + " grew from " + amount(growth, growth.before) + " to " +
                           amount(growth, growth.after));
}

bool SoakReport::held() const {
  return complaints.empty() && verdicts_.bad() == 0 && verdicts_.verified > 0 &&
         cuda_errors_ == 0 && forgotten_changed == 0 && violations == 0;
}

SoakReport::Gaps SoakReport::beyond() const {
  std::vector<double> values = beyond_;
  std::sort(values.begin(), values.end());
  Gaps gaps{values.size(), test::percentile(values, 50), std::nullopt,
            test::percentile(values, 100)};
  if (test::tells(values.size(), 99)) gaps.p99 = test::percentile(values, 99);
  return gaps;
}

void SoakReport::print() const {
  std::printf("%zu cameras, %.0f s, frames in %s\n", cameras_, seconds, memory_.c_str());
  std::printf("outages %u, connections %" PRIu64 ", retries %" PRIu64 ", decoders %" PRIu64 "\n",
              outages, connections_, retries_, decoders_);
  std::printf("frames verified %" PRIu64 ", bad %" PRIu64 " (stale %" PRIu64 ", torn %" PRIu64
              ", damaged %" PRIu64 ", rewritten %" PRIu64 ", different %" PRIu64
              "), dropped %" PRIu64 ", CUDA errors %u\n",
              verdicts_.verified, verdicts_.bad(), verdicts_.stale, verdicts_.torn,
              verdicts_.damaged, verdicts_.rewritten, verdicts_.different, dropped_, cuda_errors_);
  const Gaps gaps = beyond();
  std::printf("gaps of readers beyond the outage: %zu, p50 %.3f s, ", gaps.count, gaps.median);
  if (gaps.p99) std::printf("p99 %.3f s, ", *gaps.p99);
  std::printf("max %.3f s\n", gaps.longest);
  std::printf("longest gap without an outage: %.3f s\n", longest_interval_);
  if (forgotten)
    std::printf("leases forgotten %u, reported overdue %u, changed %u\n", forgotten, overdue_,
                forgotten_changed);
  for (const UsageWatch::Span &span : vram_)
    std::printf("VRAM from %4.0f s: first %.1f, last %.1f, max %.1f MiB\n", span.begin,
                static_cast<double>(span.first) / kMiB, static_cast<double>(span.last) / kMiB,
                static_cast<double>(span.most) / kMiB);
  for (const auto &growth : growth_)
    std::printf("%s: %s, at the end %s\n", growth.what.c_str(),
                amount(growth, growth.before).c_str(), amount(growth, growth.after).c_str());
  if (violations)
    std::printf("The simulated driver reported %u violations; they are on stderr.\n", violations);
  for (std::size_t i = 0; i < std::min(complaints.size(), kMaxComplaints); ++i)
    std::printf("%s\n", complaints[i].c_str());
  if (complaints.size() > kMaxComplaints)
    std::printf("... and %zu more\n", complaints.size() - kMaxComplaints);
  std::printf("%s\n", held() ? "Everything held." : "It did NOT hold.");
}

nlohmann::json SoakReport::to_json() const {
  using nlohmann::json;
  const Gaps gaps = beyond();
  json result = {
      {"units", "times in seconds, memory in bytes"},
      {"held", held()},
      {"interrupted", interrupted},
      {"seconds", seconds},
      {"cameras", cameras_},
      {"memory", memory_},
      {"outages", outages},
      {"connections", connections_},
      {"retries", retries_},
      {"decoders", decoders_},
      {"frames-verified", verdicts_.verified},
      {"bad",
       {{"stale", verdicts_.stale},
        {"torn", verdicts_.torn},
        {"damaged", verdicts_.damaged},
        {"rewritten", verdicts_.rewritten},
        {"different", verdicts_.different}}},
      {"bad-frames", verdicts_.bad()},
      {"dropped", dropped_},
      {"cuda-errors", cuda_errors_},
      {"violations", violations},
      {"forgotten", {{"leases", forgotten}, {"overdue", overdue_}, {"changed", forgotten_changed}}},
      {"beyond-outage",
       {{"count", gaps.count},
        {"p50", gaps.median},
        {"p99", gaps.p99 ? json(*gaps.p99) : json(nullptr)},
        {"max", gaps.longest}}},
      {"longest-interval", longest_interval_},
      {"complaints", complaints}};
  result["vram"] = json::array();
  for (const auto &span : vram_)
    result["vram"].push_back(
        {{"begin", span.begin}, {"first", span.first}, {"last", span.last}, {"max", span.most}});
  result["growth"] = json::object();
  for (const auto &growth : growth_)
    result["growth"][growth.what] = {{"before", growth.before}, {"after", growth.after}};
  json bins = json::array();
  for (int i = 0; i < IntervalHistogram::kBins; ++i)
    bins.push_back(IntervalHistogram::lower_bound(i));
  result["intervals"] = {{"bins", std::move(bins)}, {"readers", json::array()}};
  for (const auto &histogram : by_reader_)
    result["intervals"]["readers"].push_back(histogram.counts);
  return result;
}

}  // namespace cudacam::soak
