// SPDX-License-Identifier: LGPL-2.1-or-later
/// The reconnect state machine with a clock of the test's own.
#pragma once

#include "ingest/reconnect-policy.hpp"

#include <gst/check/gstcheck.h>

namespace cudacam::test {

using Step = ReconnectPolicy::Step;
using namespace std::chrono_literals;

// connect, first frame, stall, decode; delays; close
inline constexpr ReconnectPolicy::Limits kLimits{10s, 12s, 5s, 15s, 500ms, 10s, 2500ms};

/// A policy and its clock.
struct PolicyFixture {
  explicit PolicyFixture(unsigned seed = 1, const ReconnectPolicy::Limits &limits = kLimits)
      : policy(limits, seed) {}

  void expect(Step step, Step wanted, Status status) {
    fail_unless(step == wanted);
    fail_unless_equals_string(nick(policy.status()), nick(status));
  }
  void stream() {
    if (policy.status() == Status::stopped)
      expect(policy.start(now), Step::open, Status::connecting);
    policy.packet(policy.generation(), now);
    policy.frame(policy.generation(), now);
    fail_unless(policy.status() == Status::streaming);
  }
  /// Frames and packets for as long.
  void flow(ReconnectPolicy::Duration duration) {
    const auto end = now + duration;
    for (; now < end; now += 100ms) {
      policy.packet(policy.generation(), now);
      policy.frame(policy.generation(), now);
      fail_unless(policy.tick(now) == Step::nothing);
    }
  }
  /// Loses the connection, closes it and waits; the delay.
  ReconnectPolicy::Duration fail_once(Reason reason) {
    const auto lost = now;
    expect(policy.lost(policy.generation(), reason, now), Step::close, Status::closing);
    const auto step = policy.closed(policy.generation(), now);
    if (step == Step::nothing) {
      fail_unless(policy.status() == Status::backoff);
      now = *policy.deadline();
      fail_unless(policy.tick(now - 1ns) == Step::nothing);
      expect(policy.tick(now), Step::open, Status::connecting);
    }
    return now - lost;
  }

  ReconnectPolicy policy;
  ReconnectPolicy::Time now{100s};
};

}  // namespace cudacam::test
