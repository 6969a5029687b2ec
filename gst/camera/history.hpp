// SPDX-License-Identifier: LGPL-2.1-or-later
/// What has happened to a camera, for its statistics. Pure C++.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "ingest/reason.hpp"
#include "ingest/reconnect-policy.hpp"

namespace cudacam {

/// Follows the changes of status and counts. Not thread-safe.
class History {
 public:
  using Time = ReconnectPolicy::Time;
  using Duration = ReconnectPolicy::Duration;

  struct Totals {
    std::uint64_t attempts = 0;  ///< connections opened
    std::uint64_t retries = 0;   ///< those that followed a loss
    std::uint64_t outages = 0;   ///< streams that were lost
    /// Losses by reason, those without a stream included.
    std::array<std::uint64_t, std::size_t(kLastReason) + 1> losses{};
    Duration downtime{};  ///< without frames, in this outage
    Duration total_downtime{};
  };

  /// `reason`: of the latest loss. A loss counts when its connection is closed, since more may be
  /// known of it by then.
  void changed(Status status, Reason reason, Time now);
  Totals totals(Time now) const;

 private:
  Status status_ = Status::stopped;
  Totals totals_;
  std::optional<Time> down_since_;
};

}  // namespace cudacam
