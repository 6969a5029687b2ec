// SPDX-License-Identifier: LGPL-2.1-or-later
#include "usage-watch.hpp"

#include <algorithm>

namespace cudacam::soak {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::size_t kFewestSamples = 8;

}  // namespace

std::vector<UsageWatch::Span> UsageWatch::vram_by_minute() const {
  std::vector<Span> spans;
  for (const Sample &sample : samples_) {
    if (!sample.usage.vram) continue;
    const std::uint64_t now = *sample.usage.vram;
    if (spans.empty() || sample.seconds >= spans.back().begin + 60)
      spans.push_back(
          {spans.empty() ? sample.seconds : spans.back().begin + 60, now, now, now, now});
    Span &span = spans.back();
    span.last = now;
    span.least = std::min(span.least, now);
    span.most = std::max(span.most, now);
  }
  return spans;
}

std::vector<UsageWatch::Growth> UsageWatch::growth() const {
  if (samples_.size() < kFewestSamples) return {};
  const auto least = [&](std::size_t quarter, auto value) {
    const std::size_t begin = samples_.size() * quarter / 4;
    const std::size_t end = samples_.size() * (quarter + 1) / 4;
    std::uint64_t found = value(samples_[begin].usage);
    for (std::size_t i = begin; i < end; ++i) found = std::min(found, value(samples_[i].usage));
    return found;
  };
  const auto compare = [&](const char *what, std::uint64_t allowed, auto value) {
    return Growth{what, least(1, value), least(3, value), allowed};
  };
  using Usage = test::Usage;
  // Freed heap does not all go back to the system, and the driver keeps some of its own.
  std::vector<Growth> found = {
      compare("resident memory", 96 * kMiB, [](const Usage &u) { return u.rss; }),
      compare("threads", 4, [](const Usage &u) { return std::uint64_t{u.threads}; }),
      // A driver opens some of its own as it is used.
      compare("file descriptors", 8, [](const Usage &u) { return std::uint64_t{u.fds}; })};
  if (samples_.back().usage.vram)
    found.push_back(compare("VRAM", 16 * kMiB, [](const Usage &u) { return u.vram.value_or(0); }));
  return found;
}

}  // namespace cudacam::soak
