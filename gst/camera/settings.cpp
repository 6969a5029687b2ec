// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera/settings.hpp"

namespace cudacam {
namespace {

/// What a connection may take to close beyond an unanswered TEARDOWN.
constexpr std::chrono::milliseconds kCloseMargin{500};

}  // namespace

ReconnectPolicy::Limits limits(const Settings &settings) {
  const auto ns = [](GstClockTime time) { return std::chrono::nanoseconds(time); };
  ReconnectPolicy::Limits limits{};
  limits.connect_timeout = ns(settings.connect_timeout);
  limits.first_frame_timeout = ns(settings.first_frame_timeout);
  limits.stall_timeout = ns(settings.stall_timeout);
  limits.decode_timeout = ns(settings.decode_timeout);
  limits.retry_min_delay = ns(settings.retry_min_delay);
  limits.retry_max_delay = ns(settings.retry_max_delay);
  limits.close_timeout = ns(settings.teardown_timeout) + kCloseMargin;
  limits.retry_attempts = settings.retry_attempts;
  limits.retry_timeout = ns(settings.retry_timeout);
  return limits;
}

}  // namespace cudacam
