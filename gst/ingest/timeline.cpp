// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/timeline.hpp"

#include <algorithm>

namespace cudacam {

Timeline::Duration Timeline::input(std::optional<Duration> stamp, Duration now) {
  if (!stamp) return std::max(now, Duration::zero());
  // Being behind within a connection is normal: downstream may have blocked for a while. Being
  // behind at its start, going back, or being ahead of the clock is not. A first stamp that was
  // behind only because its packet was slow puts those that follow ahead, which mends it.
  const auto time = [&] { return *stamp + offset_; };
  if (!previous_) {
    offset_ = {};
    if (time() < now - latency_ - kPrecision || time() > now + kPrecision) offset_ = now - *stamp;
  } else if (*stamp < *previous_ - kReordering || time() > now + kPrecision) {
    offset_ = now - *stamp;
  }
  previous_ = stamp;
  return std::max(time(), Duration::zero());
}

Timeline::Duration Timeline::output(Duration time) {
  if (latest_) time = std::max(time, *latest_ + Duration(1));
  latest_ = time;
  return time;
}

}  // namespace cudacam
