// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera-record.hpp"

#include <algorithm>

namespace cudacam::demo {

constexpr std::size_t kMaxExplanations = 3;

void CameraRecord::outage_begins() {
  std::lock_guard guard(lock_);
  ++summary_.outages;
  back_.reset();
}

void CameraRecord::camera_is_back(Clock::time_point now) {
  std::lock_guard guard(lock_);
  back_ = now;
}

void CameraRecord::good_frame(Clock::time_point now) {
  std::lock_guard guard(lock_);
  ++summary_.verified;
  if (newest_)
    summary_.longest_gap = std::max(summary_.longest_gap, seconds_between(*newest_, now));
  newest_ = now;
  if (!back_) return;
  summary_.recoveries.push_back(seconds_between(*back_, now));
  back_.reset();
}

void CameraRecord::bad_frame(const std::string &explanation) {
  std::lock_guard guard(lock_);
  ++summary_.bad;
  if (summary_.explanations.size() < kMaxExplanations) summary_.explanations.push_back(explanation);
}

RecordSummary CameraRecord::summary() const {
  std::lock_guard guard(lock_);
  return summary_;
}

std::optional<Clock::time_point> CameraRecord::newest() const {
  std::lock_guard guard(lock_);
  return newest_;
}

}  // namespace cudacam::demo
