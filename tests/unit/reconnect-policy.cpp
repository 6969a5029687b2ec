// SPDX-License-Identifier: LGPL-2.1-or-later
/// When a connection is given up, and what leads to the next one.
#include <random>

#include "policy-fixture.hpp"

using cudacam::Generation;
using cudacam::Reason;
using cudacam::Status;
using cudacam::test::kLimits;
using cudacam::test::Step;
using Fixture = cudacam::test::PolicyFixture;
using namespace std::chrono_literals;

GST_START_TEST(connects_waits_and_streams) {
  Fixture f;
  fail_unless(!f.policy.deadline());
  f.expect(f.policy.start(f.now), Step::open, Status::connecting);
  fail_unless(f.policy.deadline() == f.now + 10s);
  f.expect(f.policy.packet(1, f.now + 1s), Step::nothing, Status::waiting_first_frame);
  f.expect(f.policy.frame(1, f.now + 2s), Step::nothing, Status::streaming);
  fail_unless_equals_int(f.policy.retries(), 0);
}
GST_END_TEST

GST_START_TEST(ignores_what_old_connections_report) {
  Fixture f;
  f.stream();
  f.fail_once(Reason::connection_lost);
  fail_unless_equals_uint64(f.policy.generation(), 2);
  f.expect(f.policy.lost(1, Reason::end_of_stream, f.now), Step::nothing, Status::connecting);
  f.expect(f.policy.packet(1, f.now), Step::nothing, Status::connecting);
  f.expect(f.policy.frame(1, f.now), Step::nothing, Status::connecting);
  f.expect(f.policy.closed(1, f.now), Step::nothing, Status::connecting);
  fail_unless(f.policy.reason() == Reason::connection_lost);
}
GST_END_TEST

GST_START_TEST(one_failure_makes_one_reconnect) {
  Fixture f;
  f.stream();
  f.expect(f.policy.lost(1, Reason::connection_lost, f.now), Step::close, Status::closing);
  f.expect(f.policy.lost(1, Reason::stream_error, f.now), Step::nothing, Status::closing);
  f.expect(f.policy.lost(1, Reason::end_of_stream, f.now), Step::nothing, Status::closing);
  f.expect(f.policy.closed(1, f.now), Step::nothing, Status::backoff);
  f.expect(f.policy.lost(1, Reason::end_of_stream, f.now), Step::nothing, Status::backoff);
  f.expect(f.policy.closed(1, f.now), Step::nothing, Status::backoff);
  fail_unless(f.policy.reason() == Reason::connection_lost);
}
GST_END_TEST

/// Each timer by itself: what it counts from, and that it fires then and not before.
GST_START_TEST(each_phase_has_its_own_timer) {
  {
    Fixture f;
    f.policy.start(f.now);
    f.expect(f.policy.tick(f.now + 10s - 1ns), Step::nothing, Status::connecting);
    f.expect(f.policy.tick(f.now + 10s), Step::close, Status::closing);
    fail_unless(f.policy.reason() == Reason::no_answer);
  }
  {
    Fixture f;
    f.policy.start(f.now);
    for (auto t = 9s; t < 21s; t += 1s) f.policy.packet(1, f.now + t);
    f.expect(f.policy.tick(f.now + 21s - 1ns), Step::nothing, Status::waiting_first_frame);
    f.expect(f.policy.tick(f.now + 21s), Step::close, Status::closing);
    fail_unless(f.policy.reason() == Reason::no_frames);
  }
  {
    Fixture f;
    f.policy.start(f.now);
    f.policy.packet(1, f.now + 1s);
    f.expect(f.policy.tick(f.now + 6s - 1ns), Step::nothing, Status::waiting_first_frame);
    f.expect(f.policy.tick(f.now + 6s), Step::close, Status::closing);
    fail_unless(f.policy.reason() == Reason::stalled);
  }
  {
    Fixture f;
    f.stream();
    for (auto t = 0s; t < 15s; t += 1s) f.policy.packet(1, f.now + t);
    f.expect(f.policy.tick(f.now + 15s - 1ns), Step::nothing, Status::streaming);
    f.expect(f.policy.tick(f.now + 15s), Step::close, Status::closing);
    fail_unless(f.policy.reason() == Reason::no_frames);
  }
  {
    Fixture f;
    f.stream();
    f.expect(f.policy.tick(f.now + 5s - 1ns), Step::nothing, Status::streaming);
    f.expect(f.policy.tick(f.now + 5s), Step::close, Status::closing);
    fail_unless(f.policy.reason() == Reason::stalled);
  }
}
GST_END_TEST

GST_START_TEST(the_deadline_is_the_earliest_timer) {
  Fixture f;
  f.policy.start(f.now);
  fail_unless(f.policy.deadline() == f.now + 10s);
  f.policy.packet(1, f.now + 1s);
  fail_unless(f.policy.deadline() == f.now + 6s);  // stall
  f.policy.packet(1, f.now + 10s);
  fail_unless(f.policy.deadline() == f.now + 13s);  // first frame
  f.policy.frame(1, f.now + 11s);
  fail_unless(f.policy.deadline() == f.now + 16s);  // stall
  f.policy.packet(1, f.now + 25s);
  fail_unless(f.policy.deadline() == f.now + 26s);  // decode
}
GST_END_TEST

GST_START_TEST(timeout_0_is_off) {
  auto limits = kLimits;
  limits.stall_timeout = 0s;
  Fixture f(1, limits);
  f.stream();
  fail_unless(f.policy.deadline() == f.now + 15s);
  f.expect(f.policy.tick(f.now + 14s), Step::nothing, Status::streaming);
  limits.decode_timeout = 0s;
  f.policy.set_limits(limits);
  fail_unless(!f.policy.deadline());
  f.expect(f.policy.tick(f.now + 1h), Step::nothing, Status::streaming);
}
GST_END_TEST

GST_START_TEST(measures_the_time_from_first_packet_to_first_frame) {
  Fixture f;
  fail_unless(!f.policy.first_frame_delay());
  f.policy.start(f.now);
  f.policy.packet(1, f.now + 2s);
  f.policy.packet(1, f.now + 3s);
  fail_unless(!f.policy.first_frame_delay());
  f.policy.frame(1, f.now + 3500ms);
  f.policy.frame(1, f.now + 4s);
  fail_unless(f.policy.first_frame_delay() == 1500ms);
  f.fail_once(Reason::connection_lost);
  fail_unless(f.policy.first_frame_delay() == 1500ms);  // until the next one
}
GST_END_TEST

GST_START_TEST(does_not_wait_for_ever_for_a_close) {
  Fixture f;
  f.stream();
  f.policy.lost(1, Reason::connection_lost, f.now);
  f.expect(f.policy.tick(f.now + 2499ms), Step::nothing, Status::closing);
  // The delay was over long ago: it counts from the loss.
  f.expect(f.policy.tick(f.now + 2500ms), Step::open, Status::connecting);
  fail_unless(f.policy.close_overran());
  f.expect(f.policy.closed(1, f.now + 9s), Step::nothing, Status::connecting);
}
GST_END_TEST

GST_START_TEST(requests_merge) {
  Fixture f;
  f.policy.start(f.now);
  f.expect(f.policy.reconnect(f.now), Step::nothing, Status::connecting);
  f.stream();
  f.expect(f.policy.reconnect(f.now), Step::close, Status::closing);
  f.expect(f.policy.reconnect(f.now), Step::nothing, Status::closing);
  f.expect(f.policy.closed(1, f.now), Step::open, Status::connecting);
  fail_unless(f.policy.reason() == Reason::requested);
}
GST_END_TEST

GST_START_TEST(an_explanation_changes_the_reason_only) {
  Fixture f;
  f.policy.start(f.now);
  f.policy.lost(1, Reason::connect_failed, f.now);
  const auto delay = f.policy.delay();
  f.policy.explain(1, Reason::unknown_host);
  fail_unless(f.policy.reason() == Reason::unknown_host);
  fail_unless(f.policy.delay() == delay);
  f.policy.closed(1, f.now);
  f.policy.explain(1, Reason::unreachable);
  fail_unless(f.policy.reason() == Reason::unknown_host);
}
GST_END_TEST

GST_START_TEST(stops_from_every_state_and_starts_again) {
  for (int state = 0; state < 6; state++) {
    Fixture f;
    if (state > 0) f.policy.start(f.now);
    if (state > 1) f.policy.packet(1, f.now);
    if (state > 2) f.policy.frame(1, f.now);
    if (state > 3) f.policy.lost(1, Reason::connection_lost, f.now);
    if (state > 4) f.policy.closed(1, f.now);
    f.expect(f.policy.stop(), state >= 1 && state <= 3 ? Step::close : Step::nothing,
             Status::stopped);
    fail_unless(!f.policy.deadline());
    f.expect(f.policy.tick(f.now + 1h), Step::nothing, Status::stopped);
    f.expect(f.policy.reconnect(f.now), Step::nothing, Status::stopped);
    f.expect(f.policy.start(f.now), Step::open, Status::connecting);
    fail_unless_equals_int(f.policy.retries(), 0);
  }
}
GST_END_TEST

GST_START_TEST(failed_is_final_until_stopped) {
  Fixture f;
  f.stream();
  f.expect(f.policy.give_up(Reason::missing_plugin), Step::close, Status::failed);
  fail_unless(!f.policy.deadline());
  f.expect(f.policy.closed(1, f.now), Step::nothing, Status::failed);
  f.expect(f.policy.reconnect(f.now), Step::nothing, Status::failed);
  f.expect(f.policy.start(f.now), Step::nothing, Status::failed);
  f.expect(f.policy.stop(), Step::nothing, Status::stopped);
  f.expect(f.policy.start(f.now), Step::open, Status::connecting);
}
GST_END_TEST

/// Whatever happens in whatever order: connections are opened and closed in turn, there is always a
/// deadline that leads on, and generations rise.
GST_START_TEST(any_sequence_keeps_the_invariants) {
  std::mt19937 random(7);
  for (int run = 0; run < 600; run++) {
    auto limits = kLimits;
    if (run % 2) {
      limits.retry_attempts = int(random() % 5);
      limits.retry_timeout = std::chrono::seconds(random() % 30);
    }
    Fixture f(random(), limits);
    bool open = false;
    Generation last = 0;
    const auto obey = [&](Step step) {
      if (step == Step::open) {
        fail_unless(!open);
        fail_unless(f.policy.generation() > last);
        last = f.policy.generation();
        open = true;
      } else if (step == Step::close) {
        fail_unless(open);
        open = false;
      }
    };
    for (int i = 0; i < 300; i++) {
      f.now += std::chrono::milliseconds(random() % 2000);
      const Generation from = f.policy.generation() - random() % 2;
      switch (random() % 9) {
        case 0:
          obey(f.policy.start(f.now));
          break;
        case 1:
          obey(f.policy.packet(from, f.now));
          break;
        case 2:
          obey(f.policy.frame(from, f.now));
          break;
        case 3:
          obey(f.policy.lost(from, Reason(1 + random() % int(cudacam::kLastReason)), f.now));
          break;
        case 4:
          obey(f.policy.closed(from, f.now));
          break;
        case 5:
          obey(f.policy.reconnect(f.now));
          break;
        case 6:
          if (random() % 10 == 0) obey(f.policy.stop());
          break;
        default:
          obey(f.policy.tick(f.now));
      }
      const bool is_open = f.policy.status() == Status::connecting ||
                           f.policy.status() == Status::waiting_first_frame ||
                           f.policy.status() == Status::streaming;
      fail_unless(is_open == open);
      fail_unless(f.policy.deadline().has_value() ==
                  (f.policy.status() != Status::stopped && f.policy.status() != Status::failed));
      fail_unless(run % 2 || f.policy.status() != Status::failed);
      if (f.policy.deadline()) {
        const auto before = f.policy.status();
        const auto at = std::max(f.now, *f.policy.deadline());
        if (random() % 4 == 0) {
          f.now = at;
          obey(f.policy.tick(at));
          fail_unless(f.policy.status() != before);
        }
      }
    }
  }
}
GST_END_TEST

/// Cameras that allow one session only have it back then.
GST_START_TEST(a_start_waits_for_the_connection_from_before_the_stop) {
  for (const bool closes : {true, false}) {
    Fixture f;
    f.stream();
    f.expect(f.policy.stop(), Step::close, Status::stopped);
    const auto old = f.policy.generation();
    f.expect(f.policy.start(f.now, true), Step::nothing, Status::closing);
    f.now += kLimits.close_timeout - 1ms;
    f.expect(f.policy.tick(f.now), Step::nothing, Status::closing);
    if (closes) {
      f.expect(f.policy.closed(old, f.now), Step::open, Status::connecting);
    } else {
      f.now += 1ms;
      f.expect(f.policy.tick(f.now), Step::open, Status::connecting);
    }
    fail_unless_equals_uint64(f.policy.generation(), old + 1);
    fail_unless_equals_int(f.policy.retries(), 0);
    fail_unless(f.policy.reason() == Reason::none);
  }
}
GST_END_TEST

GST_START_TEST(waits_are_for_the_camera_alone) {
  Fixture f;
  f.policy.start(f.now);
  const auto generation = f.policy.generation();
  f.now += kLimits.connect_timeout - 1ms;
  f.policy.held_up(generation, f.now);
  f.now += kLimits.connect_timeout - 1ms;
  f.expect(f.policy.tick(f.now), Step::nothing, Status::connecting);
  f.policy.packet(generation, f.now);
  f.now += kLimits.first_frame_timeout - 1s;
  f.policy.held_up(generation + 1, f.now);  // not this one
  fail_unless(f.policy.deadline() <= f.now + 1s);
  f.policy.held_up(generation, f.now);
  f.now += kLimits.first_frame_timeout - 1ms;
  f.policy.packet(generation, f.now);
  f.expect(f.policy.tick(f.now), Step::nothing, Status::waiting_first_frame);
  f.now += 1ms;
  f.expect(f.policy.tick(f.now), Step::close, Status::closing);
  fail_unless(f.policy.reason() == Reason::no_frames);
}
GST_END_TEST

static Suite *reconnect_policy_suite() {
  auto *suite = suite_create("reconnect-policy");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, connects_waits_and_streams);
  tcase_add_test(tests, ignores_what_old_connections_report);
  tcase_add_test(tests, one_failure_makes_one_reconnect);
  tcase_add_test(tests, each_phase_has_its_own_timer);
  tcase_add_test(tests, the_deadline_is_the_earliest_timer);
  tcase_add_test(tests, timeout_0_is_off);
  tcase_add_test(tests, measures_the_time_from_first_packet_to_first_frame);
  tcase_add_test(tests, does_not_wait_for_ever_for_a_close);
  tcase_add_test(tests, requests_merge);
  tcase_add_test(tests, an_explanation_changes_the_reason_only);
  tcase_add_test(tests, stops_from_every_state_and_starts_again);
  tcase_add_test(tests, a_start_waits_for_the_connection_from_before_the_stop);
  tcase_add_test(tests, waits_are_for_the_camera_alone);
  tcase_add_test(tests, failed_is_final_until_stopped);
  tcase_add_test(tests, any_sequence_keeps_the_invariants);
  return suite;
}
GST_CHECK_MAIN(reconnect_policy)
