// SPDX-License-Identifier: LGPL-2.1-or-later
/// Limits, queues, revocation and overdue leases; the rest of the book is tested through Ledger and
/// by lease-interleavings.
#include "lease/lease-book.hpp"

#include <gst/check/gstcheck.h>

#include <string>
#include <vector>

using cudacam::Discarded;
using cudacam::LeaseBook;
using Answer = LeaseBook::Answer;
using namespace std::chrono_literals;

namespace {

constexpr LeaseBook::Clock::time_point kStart{1h};

/// A book, and what is tedious about it.
struct Bench {
  LeaseBook book;
  void publish(int number) {
    Discarded discarded;
    book.publish(std::make_shared<int>(number), discarded);
  }
  LeaseBook::Taken take(const char *holder, LeaseBook::Clock::duration at = 0s) {
    return book.take(holder, kStart + at);
  }
  int take_number(const char *holder) { return *static_cast<int *>(take(holder).frame.get()); }
  void set_queue(const char *holder, std::size_t queue) {
    Discarded discarded;
    book.set_queue(holder, queue, discarded);
  }
  LeaseBook::Row row(const char *holder) const {
    for (const auto &row : book.rows())
      if (row.holder == holder) return row;
    return {};
  }
};

}  // namespace

GST_START_TEST(a_holder_has_at_most_max_leases) {
  Bench bench;
  bench.book.limit(2);
  bench.publish(1);
  const auto old = bench.take("a");
  bench.publish(2);
  bench.take("a");
  bench.publish(3);
  fail_unless(bench.take("a").answer == Answer::kLimit);
  fail_unless(bench.take("b").answer == Answer::kLent);
  bench.book.release(old.id, kStart);
  fail_unless_equals_int(bench.take_number("a"), 3);
  bench.publish(4);
  bench.book.limit(0);
  fail_unless_equals_int(bench.take_number("a"), 4);
}
GST_END_TEST

GST_START_TEST(a_queue_gives_every_frame_in_order) {
  Bench bench;
  bench.set_queue("a", 3);
  for (int i = 1; i <= 3; ++i) bench.publish(i);
  for (int i = 1; i <= 3; ++i) fail_unless_equals_int(bench.take_number("a"), i);
  fail_unless(bench.take("a").answer == Answer::kNothingNew);
  fail_unless_equals_int(bench.row("a").dropped, 0);
  fail_unless_equals_int(bench.book.counts().replaced, 0);
}
GST_END_TEST

GST_START_TEST(a_full_queue_drops_its_oldest_frame) {
  Bench bench;
  bench.set_queue("a", 2);
  for (int i = 1; i <= 5; ++i) bench.publish(i);
  fail_unless_equals_int(bench.row("a").dropped, 3);
  fail_unless_equals_int(bench.take_number("a"), 4);
  fail_unless_equals_int(bench.take_number("a"), 5);
}
GST_END_TEST

GST_START_TEST(a_queue_gives_up_what_it_drops) {
  Bench bench;
  bench.set_queue("a", 2);
  std::vector<std::weak_ptr<int>> frames;
  for (int i = 0; i < 4; ++i) {
    const auto frame = std::make_shared<int>(i);
    frames.push_back(frame);
    Discarded discarded;
    bench.book.publish(frame, discarded);
  }
  fail_unless(frames[0].expired() && frames[1].expired());
  fail_unless(!frames[2].expired() && !frames[3].expired());
  bench.set_queue("a", 0);
  fail_unless(frames[2].expired());
  fail_unless(!frames[3].expired());  // the newest
  fail_unless_equals_int(bench.row("a").dropped, 4);
}
GST_END_TEST

GST_START_TEST(a_drain_empties_queues) {
  Bench bench;
  bench.set_queue("a", 2);
  bench.publish(1);
  {
    Discarded discarded;
    bench.book.begin_drain(discarded);
    fail_unless_equals_int(discarded.size(), 2);  // the newest and the queued one
  }
  fail_unless(bench.take("a").answer == Answer::kDrain);
  bench.book.end_drain();
  fail_unless(bench.take("a").answer == Answer::kNothingNew);
  fail_unless_equals_int(bench.row("a").dropped, 1);
}
GST_END_TEST

GST_START_TEST(a_revoked_lease_is_lost_until_it_is_released) {
  Bench bench;
  bench.book.limit(1);
  bench.publish(1);
  const auto a = bench.take("a");
  const auto b = bench.take("b");
  fail_unless_equals_int(bench.book.revoke("a"), 1);
  fail_unless(bench.book.is_revoked(a.id) && !bench.book.is_revoked(b.id));
  fail_unless_equals_int(bench.book.counts().lost, 1);
  fail_unless_equals_int(bench.book.counts().outstanding, 1);
  bench.publish(2);
  fail_unless_equals_int(bench.take_number("a"), 2);  // it no longer counts to the limit
  fail_unless(bench.book.release(a.id, kStart));
  fail_unless(!bench.book.release(a.id, kStart));
  fail_unless_equals_int(bench.book.counts().lost, 0);
  fail_unless_equals_int(bench.book.counts().released, 0);
  fail_unless_equals_int(bench.row("a").revoked, 1);
  fail_unless_equals_int(bench.row("a").leases, 1);
}
GST_END_TEST

GST_START_TEST(revoking_all_leaves_nothing_for_a_drain_to_wait_for) {
  Bench bench;
  bench.publish(1);
  bench.take("a");
  bench.take("b");
  fail_unless_equals_int(bench.book.revoke(std::nullopt), 2);
  fail_unless(bench.book.drained());
  fail_unless_equals_int(bench.book.revoke(std::nullopt), 0);
  fail_unless_equals_int(bench.book.counts().lost, 2);
}
GST_END_TEST

GST_START_TEST(an_overdue_lease_is_told_once) {
  Bench bench;
  fail_unless(!bench.book.next_overdue(5s));
  bench.publish(1);
  bench.take("a", 0s);
  bench.take("b", 2s);
  fail_unless(bench.book.next_overdue(5s) == kStart + 5s);
  fail_unless(bench.book.overdue(kStart + 4s, 5s).empty());
  const auto early = bench.book.overdue(kStart + 5s, 5s);
  fail_unless_equals_int(early.size(), 1);
  fail_unless_equals_string(early[0].holder.c_str(), "a");
  fail_unless(early[0].age == 5s);
  fail_unless(bench.book.next_overdue(5s) == kStart + 7s);
  const auto late = bench.book.overdue(kStart + 9s, 5s);
  fail_unless_equals_int(late.size(), 1);
  fail_unless_equals_string(late[0].holder.c_str(), "b");
  fail_unless(bench.book.overdue(kStart + 99s, 5s).empty());
  fail_unless(!bench.book.next_overdue(5s));
  fail_unless_equals_int(bench.row("a").overdue, 1);
}
GST_END_TEST

GST_START_TEST(hold_times_are_those_of_released_leases) {
  Bench bench;
  bench.publish(1);
  const auto lease = bench.take("a", 1s);
  fail_unless_equals_int(bench.row("a").held.count(), 0);
  bench.book.release(lease.id, kStart + 3s);
  const auto held = bench.row("a").held.quantile(50);
  fail_unless(held >= 2s && held <= 2500ms);
}
GST_END_TEST

GST_START_TEST(a_name_for_each_lease_does_not_make_the_book_grow) {
  Bench bench;
  bench.publish(1);
  bench.set_queue("queue", 1);
  const auto held = bench.take("holds");
  const auto lost = bench.take("lost");
  bench.book.revoke("lost");
  bench.take("idle");
  bench.book.release(bench.take("first").id, kStart);
  const auto names = 3 * LeaseBook::kMostHolders;
  for (std::size_t i = 0; i < names; ++i) {
    bench.publish(2);
    const auto lease = bench.take(("name" + std::to_string(i)).c_str());
    fail_unless(lease.answer == Answer::kLent);
    fail_unless(bench.book.release(lease.id, kStart));
    fail_unless(bench.book.rows().size() <= LeaseBook::kMostHolders);
  }
  fail_unless_equals_uint64(bench.book.counts().forgotten, names + 5 - LeaseBook::kMostHolders);
  fail_unless(bench.row("first").holder.empty());
  fail_unless_equals_int(bench.row("name767").released, 1);
  // Who has something is remembered.
  fail_unless_equals_int(bench.row("holds").leases, 1);
  fail_unless_equals_int(bench.row("lost").revoked, 1);
  fail_unless_equals_int(bench.row("queue").queue, 1);
  fail_unless_equals_int(bench.row("idle").leases, 1);
  fail_unless(bench.book.release(held.id, kStart) && bench.book.release(lost.id, kStart));
  fail_unless(!bench.book.release(lost.id, kStart));
}
GST_END_TEST

GST_START_TEST(who_is_given_a_queue_is_remembered_until_it_is_taken_away) {
  Bench bench;
  bench.publish(1);
  for (const char *name : {"latest", "every", "gone"}) {
    bench.set_queue(name, *name == 'e' ? 1 : 0);
    bench.book.release(bench.take(name).id, kStart);
  }
  Discarded discarded;
  bench.book.set_queue("gone", std::nullopt, discarded);
  for (std::size_t i = 0; i < LeaseBook::kMostHolders; ++i)
    bench.take(("name" + std::to_string(i)).c_str());
  fail_unless(bench.take("latest").answer == Answer::kNothingNew);
  fail_unless_equals_int(bench.row("latest").taken, 1);
  fail_unless_equals_int(bench.row("every").queue, 1);
  fail_unless(bench.row("gone").holder.empty());
}
GST_END_TEST

GST_START_TEST(more_holders_than_are_remembered_can_hold_leases) {
  Bench bench;
  bench.publish(1);
  std::vector<std::uint64_t> ids;
  for (std::size_t i = 0; i < LeaseBook::kMostHolders + 10; ++i)
    ids.push_back(bench.take(("name" + std::to_string(i)).c_str()).id);
  fail_unless_equals_int(bench.book.counts().outstanding, ids.size());
  fail_unless_equals_uint64(bench.book.counts().forgotten, 0);
  for (const auto id : ids) fail_unless(bench.book.release(id, kStart));
}
GST_END_TEST

static Suite *lease_book_suite() {
  auto *suite = suite_create("lease-book");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_holder_has_at_most_max_leases);
  tcase_add_test(tests, a_queue_gives_every_frame_in_order);
  tcase_add_test(tests, a_full_queue_drops_its_oldest_frame);
  tcase_add_test(tests, a_queue_gives_up_what_it_drops);
  tcase_add_test(tests, a_drain_empties_queues);
  tcase_add_test(tests, a_revoked_lease_is_lost_until_it_is_released);
  tcase_add_test(tests, revoking_all_leaves_nothing_for_a_drain_to_wait_for);
  tcase_add_test(tests, an_overdue_lease_is_told_once);
  tcase_add_test(tests, hold_times_are_those_of_released_leases);
  tcase_add_test(tests, a_name_for_each_lease_does_not_make_the_book_grow);
  tcase_add_test(tests, who_is_given_a_queue_is_remembered_until_it_is_taken_away);
  tcase_add_test(tests, more_holders_than_are_remembered_can_hold_leases);
  return suite;
}

GST_CHECK_MAIN(lease_book)
