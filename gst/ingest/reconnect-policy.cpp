// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/reconnect-policy.hpp"

#include <algorithm>

namespace cudacam {
namespace {

struct Backoff {
  ReconnectPolicy::Duration first, longest;
};

/// How long frames must flow before a loss is followed by an attempt at once. Half of the longest
/// delay is the shortest of the waits between attempts that a dead camera gets in the end: one that
/// dies as soon as it is connected is not asked more often.
ReconnectPolicy::Duration good_after(const ReconnectPolicy::Limits &limits) {
  return limits.retry_max_delay / 2;
}

/// The table in docs/elements/cudacamsrc.md.
Backoff backoff(Patience patience, const ReconnectPolicy::Limits &limits) {
  const auto min = limits.retry_min_delay;
  const auto max = std::max(min, limits.retry_max_delay);
  switch (patience) {
    case Patience::none:
      return {{}, {}};
    case Patience::link:
      return {min, max};
    case Patience::busy:
      return {std::min(4 * min, max), 3 * max};
    case Patience::refused:
      return {max, 6 * max};
  }
  return {min, max};
}

}  // namespace

const char *nick(Status status) {
  switch (status) {
    case Status::stopped:
      return "stopped";
    case Status::connecting:
      return "connecting";
    case Status::waiting_first_frame:
      return "waiting-first-frame";
    case Status::streaming:
      return "streaming";
    case Status::closing:
      return "closing";
    case Status::backoff:
      return "backoff";
    case Status::failed:
      return "failed";
  }
  return "stopped";
}

ReconnectPolicy::Step ReconnectPolicy::start(Time now, bool closing) {
  if (status_ != Status::stopped) return Step::nothing;
  reason_ = Reason::none;
  retries_ = failures_ = failed_retries_ = 0;
  failing_ = Patience::none;
  delay_ = {};
  first_attempt_ = true;
  outage_start_ = now;
  first_frame_delay_.reset();
  if (!closing) return open(now);
  lost_at_ = closing_since_ = now;
  close_overran_ = false;
  status_ = Status::closing;
  return Step::nothing;
}

ReconnectPolicy::Step ReconnectPolicy::stop() {
  const bool had_connection = is_open();
  status_ = Status::stopped;
  return had_connection ? Step::close : Step::nothing;
}

ReconnectPolicy::Step ReconnectPolicy::give_up(Reason reason) {
  const bool had_connection = is_open();
  status_ = Status::failed;
  reason_ = reason;
  return had_connection ? Step::close : Step::nothing;
}

ReconnectPolicy::Step ReconnectPolicy::open(Time now) {
  generation_++;
  status_ = Status::connecting;
  waiting_since_ = now;
  if (!first_attempt_) {
    retries_++;
    if (patience(reason_) != Patience::none) failed_retries_++;
  }
  first_attempt_ = false;
  return Step::open;
}

ReconnectPolicy::Step ReconnectPolicy::packet(Generation from, Time at) {
  if (from != generation_ || !is_open()) return Step::nothing;
  if (status_ == Status::connecting) {
    status_ = Status::waiting_first_frame;
    first_packet_ = waiting_since_ = last_packet_ = at;
  }
  last_packet_ = std::max(last_packet_, at);
  return Step::nothing;
}

ReconnectPolicy::Step ReconnectPolicy::frame(Generation from, Time at) {
  if (from != generation_ || !is_open()) return Step::nothing;
  packet(from, at);
  if (status_ != Status::streaming) {
    status_ = Status::streaming;
    first_frame_ = last_frame_ = at;
    first_frame_delay_ = at - first_packet_;
    retries_ = failed_retries_ = 0;
  }
  last_frame_ = std::max(last_frame_, at);
  return Step::nothing;
}

void ReconnectPolicy::held_up(Generation from, Time now) {
  if (from == generation_) waiting_since_ = now;
}

ReconnectPolicy::Step ReconnectPolicy::lost(Generation from, Reason reason, Time now) {
  if (from != generation_ || !is_open()) return Step::nothing;
  return lose(reason, now);
}

ReconnectPolicy::Step ReconnectPolicy::lose(Reason reason, Time now) {
  const bool was_good =
      status_ == Status::streaming && last_frame_ - first_frame_ >= good_after(limits_);
  if (status_ == Status::streaming) outage_start_ = now;
  if (was_good) failures_ = 0;
  reason_ = reason;
  delay_ = was_good && patience(reason) == Patience::link ? spread() : next_delay(reason);
  lost_at_ = closing_since_ = now;
  close_overran_ = false;
  status_ = Status::closing;
  return Step::close;
}

/// Instead of a first delay: enough for a recorder's cameras, which all fail with it.
ReconnectPolicy::Duration ReconnectPolicy::spread() {
  std::uniform_int_distribution<Duration::rep> any(0, limits_.retry_min_delay.count() / 5);
  return Duration(any(random_));
}

ReconnectPolicy::Duration ReconnectPolicy::next_delay(Reason reason) {
  const auto kind = patience(reason);
  if (kind == Patience::none) return {};
  if (kind != failing_) failures_ = 0;
  failing_ = kind;
  const auto limit = backoff(kind, limits_);
  auto nominal = limit.first;
  for (unsigned i = 0; i < failures_ && nominal < limit.longest; i++) nominal *= 2;
  nominal = std::min(nominal, limit.longest);
  failures_++;
  // Half of it by chance: spread enough for cameras that fail together, never above the limit.
  std::uniform_int_distribution<Duration::rep> jitter(nominal.count() / 2, nominal.count());
  return Duration(jitter(random_));
}

void ReconnectPolicy::explain(Generation which, Reason reason) {
  if (which == generation_ && status_ == Status::closing) reason_ = reason;
}

ReconnectPolicy::Step ReconnectPolicy::closed(Generation which, Time now) {
  if (which != generation_ || status_ != Status::closing) return Step::nothing;
  return retry_or_wait(now);
}

std::optional<ReconnectPolicy::Time> ReconnectPolicy::outage_end() const {
  if (limits_.retry_timeout <= Duration::zero()) return std::nullopt;
  return outage_start_ + limits_.retry_timeout;
}

/// What was asked for, or is another way to reach the camera, is no retry of a failure.
bool ReconnectPolicy::is_exhausted(Time now) const {
  const auto end = outage_end();
  if (end && now >= *end) return true;
  return limits_.retry_attempts >= 0 && failed_retries_ >= limits_.retry_attempts &&
         patience(reason_) != Patience::none;
}

/// The wait counts from the loss, so closing slowly does not make it longer.
ReconnectPolicy::Step ReconnectPolicy::retry_or_wait(Time now) {
  if (is_exhausted(now)) {
    status_ = Status::failed;
    return Step::nothing;
  }
  if (now >= lost_at_ + delay_) return open(now);
  status_ = Status::backoff;
  return Step::nothing;
}

ReconnectPolicy::Step ReconnectPolicy::reconnect(Time now) {
  if (status_ == Status::streaming) return lose(Reason::requested, now);
  if (status_ == Status::backoff || status_ == Status::closing)
    delay_ = std::min(delay_, std::max(now - lost_at_, limits_.retry_min_delay));
  return status_ == Status::backoff ? retry_or_wait(now) : Step::nothing;
}

/// When the next decoded frame is due.
std::optional<ReconnectPolicy::Time> ReconnectPolicy::frame_deadline() const {
  if (status_ == Status::waiting_first_frame) return waiting_since_ + limits_.first_frame_timeout;
  if (limits_.decode_timeout <= Duration::zero()) return std::nullopt;
  return last_frame_ + limits_.decode_timeout;
}

ReconnectPolicy::Step ReconnectPolicy::tick(Time now) {
  const auto reached = [now](const std::optional<Time> &deadline) {
    return deadline && now >= *deadline;
  };
  switch (status_) {
    case Status::connecting:
      if (now >= waiting_since_ + limits_.connect_timeout || reached(outage_end()))
        return lose(Reason::no_answer, now);
      break;
    case Status::waiting_first_frame:
    case Status::streaming:
      if (limits_.stall_timeout > Duration::zero() && now >= last_packet_ + limits_.stall_timeout)
        return lose(Reason::stalled, now);
      if (reached(frame_deadline()) ||
          (status_ == Status::waiting_first_frame && reached(outage_end())))
        return lose(Reason::no_frames, now);
      break;
    case Status::closing:
      if (now >= closing_since_ + limits_.close_timeout) {
        close_overran_ = true;
        return retry_or_wait(now);
      }
      break;
    case Status::backoff:
      return retry_or_wait(now);
    case Status::stopped:
    case Status::failed:
      break;
  }
  return Step::nothing;
}

std::optional<ReconnectPolicy::Time> ReconnectPolicy::deadline() const {
  std::optional<Time> earliest;
  const auto consider = [&earliest](const std::optional<Time> &time) {
    if (time && (!earliest || *time < *earliest)) earliest = time;
  };
  switch (status_) {
    case Status::connecting:
      consider(waiting_since_ + limits_.connect_timeout);
      consider(outage_end());
      break;
    case Status::waiting_first_frame:
      consider(outage_end());
      [[fallthrough]];
    case Status::streaming:
      consider(frame_deadline());
      if (limits_.stall_timeout > Duration::zero()) consider(last_packet_ + limits_.stall_timeout);
      break;
    case Status::closing:
      consider(closing_since_ + limits_.close_timeout);
      break;
    case Status::backoff:
      consider(lost_at_ + delay_);
      consider(outage_end());
      break;
    case Status::stopped:
    case Status::failed:
      break;
  }
  return earliest;
}

}  // namespace cudacam
