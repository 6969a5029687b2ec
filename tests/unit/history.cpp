// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera/history.hpp"

#include <gst/check/gstcheck.h>

using cudacam::History;
using cudacam::Reason;
using cudacam::Status;
using namespace std::chrono_literals;

namespace {

constexpr History::Time kStart{100s};

std::uint64_t losses(const History::Totals &totals, Reason reason) {
  return totals.losses[std::size_t(reason)];
}

}  // namespace

GST_START_TEST(counts_attempts_outages_and_losses_by_reason) {
  History history;
  history.changed(Status::connecting, Reason::none, kStart);
  history.changed(Status::closing, Reason::connect_failed, kStart);
  history.changed(Status::backoff, Reason::unknown_host, kStart);  // explained while closing
  history.changed(Status::connecting, Reason::unknown_host, kStart);
  history.changed(Status::waiting_first_frame, Reason::unknown_host, kStart);
  history.changed(Status::streaming, Reason::unknown_host, kStart);
  for (int i = 0; i < 3; i++) {
    history.changed(Status::closing, Reason::stalled, kStart);
    history.changed(Status::connecting, Reason::stalled, kStart);  // without a wait
    history.changed(Status::streaming, Reason::stalled, kStart);
  }
  const auto totals = history.totals(kStart);
  fail_unless_equals_uint64(totals.attempts, 5);
  fail_unless_equals_uint64(totals.retries, 4);
  fail_unless_equals_uint64(totals.outages, 3);
  fail_unless_equals_uint64(losses(totals, Reason::connect_failed), 0);
  fail_unless_equals_uint64(losses(totals, Reason::unknown_host), 1);
  fail_unless_equals_uint64(losses(totals, Reason::stalled), 3);
}
GST_END_TEST

GST_START_TEST(giving_up_is_one_loss) {
  for (const auto before : {Status::connecting, Status::closing, Status::backoff}) {
    History history;
    history.changed(Status::connecting, Reason::none, kStart);
    if (before != Status::connecting) history.changed(Status::closing, Reason::refused, kStart);
    if (before == Status::backoff) history.changed(Status::backoff, Reason::refused, kStart);
    history.changed(Status::failed, Reason::refused, kStart);
    fail_unless_equals_uint64(losses(history.totals(kStart), Reason::refused), 1);
  }
}
GST_END_TEST

GST_START_TEST(a_stop_is_no_retry_and_no_loss) {
  History history;
  for (int i = 0; i < 2; i++) {
    history.changed(Status::connecting, Reason::none, kStart);
    history.changed(Status::streaming, Reason::none, kStart);
    history.changed(Status::stopped, Reason::none, kStart);
  }
  const auto totals = history.totals(kStart);
  fail_unless_equals_uint64(totals.attempts, 2);
  fail_unless_equals_uint64(totals.retries, 0);
  fail_unless_equals_uint64(totals.outages, 0);
  for (const auto count : totals.losses) fail_unless_equals_uint64(count, 0);
}
GST_END_TEST

GST_START_TEST(downtime_runs_from_the_loss_to_the_first_frame) {
  History history;
  history.changed(Status::connecting, Reason::none, kStart);
  fail_unless(history.totals(kStart + 1s).downtime == 1s);
  history.changed(Status::waiting_first_frame, Reason::none, kStart + 1s);
  history.changed(Status::streaming, Reason::none, kStart + 2s);
  fail_unless(history.totals(kStart + 9s).downtime == 0s);
  fail_unless(history.totals(kStart + 9s).total_downtime == 2s);
  history.changed(Status::closing, Reason::stalled, kStart + 10s);
  history.changed(Status::backoff, Reason::stalled, kStart + 11s);
  fail_unless(history.totals(kStart + 13s).downtime == 3s);
  fail_unless(history.totals(kStart + 13s).total_downtime == 5s);
  history.changed(Status::failed, Reason::stalled, kStart + 14s);
  fail_unless(history.totals(kStart + 15s).downtime == 5s);
  history.changed(Status::stopped, Reason::stalled, kStart + 16s);
  fail_unless(history.totals(kStart + 20s).downtime == 0s);
  fail_unless(history.totals(kStart + 20s).total_downtime == 8s);
}
GST_END_TEST

GST_START_TEST(waiting_for_a_connection_from_before_a_stop_is_no_loss) {
  History history;
  history.changed(Status::closing, Reason::none, kStart);
  history.changed(Status::connecting, Reason::none, kStart + 1s);
  history.changed(Status::streaming, Reason::none, kStart + 3s);
  const auto totals = history.totals(kStart + 3s);
  fail_unless_equals_uint64(totals.attempts, 1);
  fail_unless_equals_uint64(totals.retries, 0);
  fail_unless_equals_uint64(totals.outages, 0);
  for (const auto count : totals.losses) fail_unless_equals_uint64(count, 0);
  fail_unless(totals.total_downtime == 3s);
}
GST_END_TEST

static Suite *history_suite() {
  auto *suite = suite_create("history");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, counts_attempts_outages_and_losses_by_reason);
  tcase_add_test(tests, giving_up_is_one_loss);
  tcase_add_test(tests, a_stop_is_no_retry_and_no_loss);
  tcase_add_test(tests, waiting_for_a_connection_from_before_a_stop_is_no_loss);
  tcase_add_test(tests, downtime_runs_from_the_loss_to_the_first_frame);
  return suite;
}
GST_CHECK_MAIN(history)
