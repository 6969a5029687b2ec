// SPDX-License-Identifier: LGPL-2.1-or-later
/// When to open, close and retry a camera's connection. Pure C++; time and chance come from
/// outside.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

#include "ingest/reason.hpp"

namespace cudacam {

/// What a camera is doing. The nicks (words joined by `-`) are API.
///
///     connecting -> waiting-first-frame -> streaming -> closing -> backoff -> connecting
///         any of them -> stopped, failed (cannot run at all, or retries are used up)
enum class Status { stopped, connecting, waiting_first_frame, streaming, closing, backoff, failed };
const char *nick(Status status);

/// Number of a connection attempt, from 1; 0 is none. Inputs carry the generation they come from,
/// so whatever an old connection still reports is ignored and one failure makes one reconnect.
using Generation = std::uint64_t;

/// The state machine. Not thread-safe: one thread owns it.
///
/// A method takes what happened and when, and returns the one thing to do now; deadline() says when
/// to call tick() at the latest if nothing happens before.
class ReconnectPolicy {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  using Duration = Clock::duration;

  struct Limits {
    Duration connect_timeout;      ///< from the attempt's start to the first packet
    Duration first_frame_timeout;  ///< from the first packet to the first decoded frame
    Duration stall_timeout;        ///< without a packet; 0: off
    Duration decode_timeout;       ///< while streaming, without a decoded frame; 0: off
    Duration retry_min_delay;      ///< first delay after a lost link
    /// Longest delay after a lost link. When frames have flowed for half of it, the connection was
    /// good: the delays start anew, and after a lost link the first attempt is made at once.
    Duration retry_max_delay;
    Duration close_timeout;  ///< how long a closing connection is waited for
    /// Attempts in an outage that follow a failure, then it fails for good; -1: no limit.
    int retry_attempts = -1;
    Duration retry_timeout = {};  ///< longest outage, then it fails for good; 0: no limit
  };

  enum class Step { nothing, open, close };

  /// `seed`: of the jitter, so that sixty cameras that fail together do not come back together.
  ReconnectPolicy(const Limits &limits, std::uint32_t seed) : limits_(limits), random_(seed) {}

  /// Hold at once, for timers that run as if from their start; a delay that has begun stays.
  void set_limits(const Limits &limits) { limits_ = limits; }

  /// `closing`: the connection from before stop() is still being closed. The first attempt then
  /// waits for closed(), or for close_timeout.
  Step start(Time now, bool closing = false);
  /// Back to stopped; the connection, if there is one, is to be closed and no longer waited for.
  Step stop();
  /// Cannot run at all, for instance because rtspsrc is not installed. Only stop() leads out of
  /// failed.
  Step give_up(Reason reason);

  /// Latest packet. The first one of a connection means that the camera has answered.
  Step packet(Generation from, Time at);
  /// Latest decoded frame.
  Step frame(Generation from, Time at);
  /// Until now packets could not get into the decoder, or frames not out of it, through no fault of
  /// the camera's: the wait for the first packet or the first frame begins anew.
  void held_up(Generation from, Time now);
  Step lost(Generation from, Reason reason, Time now);
  /// More is known of why the connection was lost that is being closed. The delay stays.
  void explain(Generation which, Reason reason);
  /// The connection that was to be closed is gone.
  Step closed(Generation which, Time now);
  /// Somebody asks for a new connection. Merged with a reconnect that is under way; cuts a wait
  /// short, but never below retry-min-delay, so that impatient callers do not become a flood.
  Step reconnect(Time now);
  Step tick(Time now);
  std::optional<Time> deadline() const;

  Status status() const { return status_; }
  /// There is a connection, or one is being made.
  bool is_open() const {
    return status_ == Status::connecting || status_ == Status::waiting_first_frame ||
           status_ == Status::streaming;
  }
  Generation generation() const { return generation_; }
  Reason reason() const { return reason_; }      ///< of the latest loss
  unsigned retries() const { return retries_; }  ///< attempts in this outage beyond the first
  Duration delay() const { return delay_; }      ///< from the loss to the attempt, in backoff
  bool close_overran() const { return close_overran_; }  ///< the last close took too long
  /// From the connection's first packet to its first frame; of the latest connection that had one.
  std::optional<Duration> first_frame_delay() const { return first_frame_delay_; }

 private:
  Step open(Time now);
  Step lose(Reason reason, Time now);
  Step retry_or_wait(Time now);
  Duration next_delay(Reason reason);
  Duration spread();
  std::optional<Time> outage_end() const;
  bool is_exhausted(Time now) const;
  std::optional<Time> frame_deadline() const;
  Limits limits_;
  std::mt19937 random_;
  Status status_ = Status::stopped;
  Generation generation_ = 0;
  Reason reason_ = Reason::none;
  unsigned retries_ = 0;
  Duration delay_{};
  bool close_overran_ = false;
  bool first_attempt_ = true;  ///< since start()
  int failed_retries_ = 0;     ///< attempts in this outage that followed a failure

  /// For the first packet: the attempt's start; for the first frame: first_packet_. Or when the
  /// camera was last held up.
  Time waiting_since_{};
  Time outage_start_{};
  Time first_packet_{};
  Time first_frame_{};
  Time last_packet_{};
  Time last_frame_{};
  Time lost_at_{};
  Time closing_since_{};
  std::optional<Duration> first_frame_delay_;
  Patience failing_ = Patience::none;  ///< kind of the failures counted below
  unsigned failures_ = 0;  ///< in a row, of that kind, without a good connection between
};

}  // namespace cudacam
