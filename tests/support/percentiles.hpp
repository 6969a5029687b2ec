// SPDX-License-Identifier: LGPL-2.1-or-later
/// What many measured values say in a few numbers. Pure C++.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace cudacam::test {

/// The smallest of the values that `percent` of them do not exceed; 0 of none. Ascending order.
template <class Number>
Number percentile(const std::vector<Number> &sorted, double percent) {
  if (sorted.empty()) return {};
  // 99.9 of 1000 is 999, whatever the last bit of the product.
  const double rank = std::ceil(static_cast<double>(sorted.size()) * percent / 100 - 1e-9);
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

/// Whether `count` values tell that percentile from the longest of them: at least one is above it.
inline bool tells(std::size_t count, double percent) {
  return static_cast<double>(count) * (100 - percent) > 100 - 1e-6;
}

struct SummaryNames {
  const char *median = "median", *longest = "longest";
};

/// As JSON: "count", "median", "p99", "p99.9", "longest"; of too few values a percentile is null,
/// of none everything.
template <class Number>
std::string summary(std::vector<Number> values, int decimals, SummaryNames names = {}) {
  if (values.empty()) return "null";
  std::sort(values.begin(), values.end());
  const auto value = [&](double percent) -> std::string {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", decimals,
                  static_cast<double>(percentile(values, percent)));
    return text;
  };
  const auto tail = [&](double percent) {
    return tells(values.size(), percent) ? value(percent) : "null";
  };
  return "{\"count\": " + std::to_string(values.size()) + ", \"" + names.median +
         "\": " + value(50) + ", \"p99\": " + tail(99) + ", \"p99.9\": " + tail(99.9) + ", \"" +
         names.longest + "\": " + value(100) + "}";
}

}  // namespace cudacam::test
