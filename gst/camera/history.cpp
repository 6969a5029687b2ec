// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera/history.hpp"

#include <utility>

namespace cudacam {

void History::changed(Status status, Reason reason, Time now) {
  const auto before = std::exchange(status_, status);
  if (status == Status::connecting) {
    totals_.attempts++;
    if (reason != Reason::none) totals_.retries++;
  }
  if (before == Status::streaming && status == Status::closing) totals_.outages++;
  // From before a pause: that one was not lost.
  const bool was_closed = before == Status::closing && reason != Reason::none;
  const bool was_abandoned = status == Status::failed && before != Status::backoff;
  if (was_closed || was_abandoned) totals_.losses[std::size_t(reason)]++;

  const bool up = status == Status::streaming || status == Status::stopped;
  if (up && down_since_) totals_.total_downtime += now - *down_since_;
  if (up) {
    down_since_.reset();
  } else if (!down_since_) {
    down_since_ = now;
  }
}

History::Totals History::totals(Time now) const {
  auto totals = totals_;
  if (down_since_) {
    totals.downtime = now - *down_since_;
    totals.total_downtime += totals.downtime;
  }
  return totals;
}

}  // namespace cudacam
