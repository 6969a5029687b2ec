// SPDX-License-Identifier: LGPL-2.1-or-later
/// How long the next attempt waits, and when there is none.
#include <algorithm>
#include <vector>

#include "policy-fixture.hpp"

using cudacam::Patience;
using cudacam::Reason;
using cudacam::ReconnectPolicy;
using cudacam::Status;
using cudacam::test::kLimits;
using cudacam::test::Step;
using Fixture = cudacam::test::PolicyFixture;
using namespace std::chrono_literals;

namespace {

/// Beyond the time after which a connection was good.
constexpr auto kGood = 5100ms;
/// Of the first attempts after that.
constexpr auto kSpread = kLimits.retry_min_delay / 5;

}  // namespace

GST_START_TEST(gives_up_when_the_attempts_are_used_up) {
  for (int attempts = 0; attempts < 4; attempts++) {
    for (const bool streamed : {false, true}) {
      auto limits = kLimits;
      limits.retry_attempts = attempts;
      Fixture f(1, limits);
      if (streamed) {
        f.stream();
      } else {
        f.policy.start(f.now);
      }
      for (int i = 0; i < attempts; i++) f.fail_once(Reason::connection_lost);
      f.expect(f.policy.lost(f.policy.generation(), Reason::stalled, f.now), Step::close,
               Status::closing);
      f.expect(f.policy.closed(f.policy.generation(), f.now), Step::nothing, Status::failed);
      fail_unless(f.policy.reason() == Reason::stalled);
      fail_unless(!f.policy.deadline());
      f.expect(f.policy.tick(f.now + 1h), Step::nothing, Status::failed);
      f.expect(f.policy.reconnect(f.now + 1h), Step::nothing, Status::failed);
    }
  }
}
GST_END_TEST

GST_START_TEST(attempts_are_counted_anew_after_a_frame) {
  auto limits = kLimits;
  limits.retry_attempts = 2;
  Fixture f(1, limits);
  for (int outage = 0; outage < 5; outage++) {
    f.stream();
    f.fail_once(Reason::connection_lost);
    f.fail_once(Reason::connection_lost);
  }
}
GST_END_TEST

GST_START_TEST(what_is_asked_for_or_negotiated_is_no_failed_attempt) {
  auto limits = kLimits;
  limits.retry_attempts = 0;
  Fixture f(1, limits);
  f.policy.start(f.now);
  f.fail_once(Reason::transport_refused);
  f.fail_once(Reason::transport_refused);
  for (int i = 0; i < 3; i++) {
    f.stream();
    f.expect(f.policy.reconnect(f.now), Step::close, Status::closing);
    f.expect(f.policy.closed(f.policy.generation(), f.now), Step::open, Status::connecting);
  }
  limits.retry_attempts = 1;
  f.policy.set_limits(limits);
  f.fail_once(Reason::transport_refused);
  f.fail_once(Reason::connection_lost);  // the one attempt is still there
}
GST_END_TEST

GST_START_TEST(a_close_that_overruns_ends_the_last_attempt_too) {
  auto limits = kLimits;
  limits.retry_attempts = 0;
  Fixture f(1, limits);
  f.stream();
  f.policy.lost(1, Reason::connection_lost, f.now);
  f.expect(f.policy.tick(f.now + 2500ms), Step::nothing, Status::failed);
}
GST_END_TEST

GST_START_TEST(gives_up_when_the_outage_is_too_long) {
  auto limits = kLimits;
  limits.retry_timeout = 8s;
  {
    Fixture f(1, limits);  // while connecting
    f.policy.start(f.now);
    fail_unless(f.policy.deadline() == f.now + 8s);
    f.expect(f.policy.tick(f.now + 8s - 1ns), Step::nothing, Status::connecting);
    f.expect(f.policy.tick(f.now + 8s), Step::close, Status::closing);
    f.expect(f.policy.closed(1, f.now + 8s), Step::nothing, Status::failed);
    fail_unless(f.policy.reason() == Reason::no_answer);
  }
  {
    Fixture f(1, limits);  // while waiting for the first frame
    f.policy.start(f.now);
    f.policy.packet(1, f.now + 7s);
    fail_unless(f.policy.deadline() == f.now + 8s);
    f.expect(f.policy.tick(f.now + 8s), Step::close, Status::closing);
    f.expect(f.policy.closed(1, f.now + 8s), Step::nothing, Status::failed);
    fail_unless(f.policy.reason() == Reason::no_frames);
  }
  {
    Fixture f(1, limits);  // while waiting for the next attempt
    f.stream();
    f.now += 1s;  // an outage begins at the loss
    const auto lost = f.now;
    f.policy.lost(1, Reason::unauthorized, f.now);
    f.policy.closed(1, f.now);
    limits.retry_timeout = 4s;  // below the delay
    f.policy.set_limits(limits);
    fail_unless(f.policy.deadline() == lost + 4s);
    f.expect(f.policy.tick(lost + 4s - 1ns), Step::nothing, Status::backoff);
    f.expect(f.policy.tick(lost + 4s), Step::nothing, Status::failed);
    fail_unless(f.policy.reason() == Reason::unauthorized);
  }
  {
    Fixture f(1, limits);  // never while frames flow
    f.stream();
    f.flow(20s);
    f.fail_once(Reason::connection_lost);
    fail_unless(f.policy.status() == Status::connecting);
  }
}
GST_END_TEST

GST_START_TEST(backs_off_exponentially_within_limits_for_every_reason) {
  for (int r = 1; r <= int(cudacam::kLastReason); r++) {
    const auto reason = Reason(r);
    ReconnectPolicy::Duration first = 500ms, longest = 10s;
    switch (patience(reason)) {
      case Patience::none:
        first = longest = 0s;
        break;
      case Patience::link:
        break;
      case Patience::busy:
        first = 2s, longest = 30s;
        break;
      case Patience::refused:
        first = 10s, longest = 60s;
        break;
    }
    for (unsigned seed = 0; seed < 50; seed++) {
      Fixture f(seed);
      f.stream();
      auto nominal = first;
      for (int i = 0; i < 12; i++) {
        const auto delay = f.fail_once(reason);
        fail_unless(delay >= nominal / 2 && delay <= nominal, "%s: %d", nick(reason), i);
        nominal = std::min(2 * nominal, longest);
      }
    }
  }
}
GST_END_TEST

/// Most losses are a hiccup, and the camera is there again.
GST_START_TEST(the_first_attempt_after_a_good_connection_is_made_at_once) {
  for (int r = 1; r <= int(cudacam::kLastReason); r++) {
    const auto reason = Reason(r);
    if (patience(reason) != Patience::link) continue;
    for (unsigned seed = 0; seed < 50; seed++) {
      Fixture f(seed);
      for (int outage = 0; outage < 3; outage++) {
        f.stream();
        f.flow(kGood);
        fail_unless(f.fail_once(reason) <= kSpread, "%s", nick(reason));
        auto nominal = kLimits.retry_min_delay;
        for (int i = 0; i < 8; i++) {
          const auto delay = f.fail_once(reason);
          fail_unless(delay >= nominal / 2 && delay <= nominal, "%s: %d", nick(reason), i);
          nominal = std::min(2 * nominal, kLimits.retry_max_delay);
        }
      }
    }
  }
}
GST_END_TEST

GST_START_TEST(a_camera_that_refuses_is_given_its_time_after_a_good_connection_too) {
  for (const auto reason : {Reason::busy, Reason::unauthorized}) {
    Fixture f;
    f.stream();
    f.flow(kGood);
    fail_unless(f.fail_once(reason) >= 1s);
  }
  // The attempt at once has found that the camera must forget the old session first.
  Fixture f;
  f.stream();
  f.flow(kGood);
  f.fail_once(Reason::connection_lost);
  const auto delay = f.fail_once(Reason::busy);
  fail_unless(delay >= 1s && delay <= 2s);
}
GST_END_TEST

/// A connection is good by the frames that came, not by the time it took to notice their end.
GST_START_TEST(a_connection_that_was_silent_for_long_was_not_good) {
  Fixture f;
  f.stream();
  f.flow(1s);
  f.now = *f.policy.deadline();
  fail_unless(f.policy.tick(f.now) == Step::close);
  fail_unless(f.policy.reason() == Reason::stalled);
  fail_unless(f.policy.delay() >= 250ms);
}
GST_END_TEST

GST_START_TEST(jitter_spreads_cameras_that_fail_together) {
  const struct { ReconnectPolicy::Duration flow, spread; } cases[] = {{0s, 150ms}, {kGood, 60ms}};
  for (const auto &it : cases) {
    std::vector<ReconnectPolicy::Duration> delays;
    for (unsigned seed = 0; seed < 60; seed++) {
      Fixture f(seed);
      f.stream();
      f.flow(it.flow);
      delays.push_back(f.fail_once(Reason::connection_lost));
    }
    std::sort(delays.begin(), delays.end());
    fail_unless(delays.back() - delays.front() > it.spread);
    fail_unless(std::unique(delays.begin(), delays.end()) - delays.begin() > 50);
  }
}
GST_END_TEST

GST_START_TEST(backoff_starts_again_only_after_a_good_connection) {
  Fixture f;
  f.stream();
  for (int i = 0; i < 6; i++) f.fail_once(Reason::connection_lost);
  f.stream();
  fail_unless_equals_int(f.policy.retries(), 0);
  f.flow(kGood - 1s);
  fail_unless(f.fail_once(Reason::connection_lost) >= 5s);  // a flapping camera
  f.stream();
  f.flow(kGood);
  fail_unless(f.fail_once(Reason::connection_lost) <= kSpread);
  fail_unless(f.fail_once(Reason::connection_lost) <= 500ms);
}
GST_END_TEST

/// However long a camera's connections live: it is not asked more often than one that is dead.
GST_START_TEST(no_flapping_asks_more_often_than_a_dead_camera) {
  for (const auto life : {0ms, 100ms, 1000ms, 4000ms, 5100ms, 9000ms}) {
    Fixture f;
    f.stream();
    constexpr int warm_up = 10, attempts = 50;
    ReconnectPolicy::Time begin{};
    for (int i = 0; i < warm_up + attempts; i++) {
      if (i == warm_up) begin = f.now;
      f.flow(life);
      f.fail_once(Reason::end_of_stream);
      f.stream();
    }
    fail_unless((f.now - begin) / attempts >= kLimits.retry_max_delay / 2, "%d ms",
                int(life.count()));
  }
}
GST_END_TEST

GST_START_TEST(another_kind_of_failure_has_its_own_backoff) {
  Fixture f;
  f.stream();
  for (int i = 0; i < 6; i++) f.fail_once(Reason::connection_lost);
  const auto refused = f.fail_once(Reason::unauthorized);
  fail_unless(refused >= 5s && refused <= 10s);
  fail_unless(f.fail_once(Reason::connection_lost) <= 500ms);
}
GST_END_TEST

GST_START_TEST(a_request_cuts_the_wait_but_not_below_the_shortest_delay) {
  Fixture f;
  f.stream();
  for (int i = 0; i < 8; i++) f.fail_once(Reason::connection_lost);
  f.policy.lost(f.policy.generation(), Reason::connection_lost, f.now);
  f.policy.closed(f.policy.generation(), f.now);
  f.expect(f.policy.reconnect(f.now + 100ms), Step::nothing, Status::backoff);
  fail_unless(f.policy.deadline() == f.now + 500ms);
  f.expect(f.policy.tick(f.now + 500ms), Step::open, Status::connecting);

  f.policy.lost(f.policy.generation(), Reason::connection_lost, f.now);
  f.policy.closed(f.policy.generation(), f.now);
  f.expect(f.policy.reconnect(f.now + 3s), Step::open, Status::connecting);
}
GST_END_TEST

static Suite *reconnect_retries_suite() {
  auto *suite = suite_create("reconnect-retries");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, gives_up_when_the_attempts_are_used_up);
  tcase_add_test(tests, attempts_are_counted_anew_after_a_frame);
  tcase_add_test(tests, what_is_asked_for_or_negotiated_is_no_failed_attempt);
  tcase_add_test(tests, a_close_that_overruns_ends_the_last_attempt_too);
  tcase_add_test(tests, gives_up_when_the_outage_is_too_long);
  tcase_add_test(tests, backs_off_exponentially_within_limits_for_every_reason);
  tcase_add_test(tests, the_first_attempt_after_a_good_connection_is_made_at_once);
  tcase_add_test(tests, a_camera_that_refuses_is_given_its_time_after_a_good_connection_too);
  tcase_add_test(tests, a_connection_that_was_silent_for_long_was_not_good);
  tcase_add_test(tests, jitter_spreads_cameras_that_fail_together);
  tcase_add_test(tests, backoff_starts_again_only_after_a_good_connection);
  tcase_add_test(tests, no_flapping_asks_more_often_than_a_dead_camera);
  tcase_add_test(tests, another_kind_of_failure_has_its_own_backoff);
  tcase_add_test(tests, a_request_cuts_the_wait_but_not_below_the_shortest_delay);
  return suite;
}
GST_CHECK_MAIN(reconnect_retries)
