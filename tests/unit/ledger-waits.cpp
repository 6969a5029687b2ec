// SPDX-License-Identifier: LGPL-2.1-or-later
/// Who waits for whom in the ledger: the camera for nobody, readers only for what concerns them.
#include <gst/check/gstcheck.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "ledger-frames.hpp"

using cudacam::Ledger;
using cudacam::test::far_off;
using cudacam::test::frame;
using cudacam::test::kNow;
using cudacam::test::number;
using Outcome = Ledger::Outcome;

namespace {

/// A clock that stops whoever asks it, as the kernel stops a thread that has lost its core:
/// Ledger::overdue() asks with the lock held.
class Hold {
 public:
  static Ledger::Clock::time_point now() {
    std::unique_lock lock(mutex_);
    if (holds_) {
      held_ = true;
      changed_.notify_all();
      changed_.wait(lock, [] { return !holds_; });
    }
    return {};
  }
  static void hold() {
    std::lock_guard lock(mutex_);
    holds_ = true;
    held_ = false;
  }
  static void await_held() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [] { return held_; });
  }
  static void let_go() {
    {
      std::lock_guard lock(mutex_);
      holds_ = false;
    }
    changed_.notify_all();
  }

 private:
  static inline std::mutex mutex_;
  static inline std::condition_variable changed_;
  static inline bool holds_ = false;
  static inline bool held_ = false;
};

/// Somebody who has the ledger's lock from here on until go().
class Holdup {
 public:
  explicit Holdup(Ledger &ledger) {
    Hold::hold();
    thread_ = std::thread([&ledger] { ledger.overdue(std::chrono::hours(1)); });
    Hold::await_held();
  }
  ~Holdup() { go(); }
  void go() {
    Hold::let_go();
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;
};

/// How often this thread gave up its core to wait for something.
long sleeps_of_this_thread() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

void await_waiting(Ledger &ledger, unsigned threads) {
  while (ledger.counts().waiting != threads) std::this_thread::yield();
}

}  // namespace

GST_START_TEST(a_camera_does_not_wait_for_somebody_who_has_the_lock) {
  Ledger ledger(Hold::now);
  ledger.set_queue("every", 2);
  Holdup holdup(ledger);
  fail_unless(ledger.publish(frame(1)));  // would hang
  fail_unless(ledger.publish(frame(2)));
  holdup.go();
  fail_unless_equals_int(number(ledger.acquire("newest", kNow)), 2);
  fail_unless_equals_int(number(ledger.acquire("every", kNow)), 1);  // in their order
  fail_unless_equals_int(number(ledger.acquire("every", kNow)), 2);
  const auto counts = ledger.counts();
  fail_unless_equals_int(counts.published, 2);
  fail_unless_equals_int(counts.deferred, 2);
}
GST_END_TEST

GST_START_TEST(a_deferred_frame_wakes_the_reader_that_waits) {
  Ledger ledger(Hold::now);
  auto waiting = std::async(std::launch::async, [&] { return ledger.acquire("a", far_off()); });
  await_waiting(ledger, 1);
  Holdup holdup(ledger);
  ledger.publish(frame(1));
  holdup.go();
  fail_unless_equals_int(number(waiting.get()), 1);
}
GST_END_TEST

GST_START_TEST(a_deferred_frame_comes_before_a_drain_that_comes_later) {
  Ledger ledger(Hold::now);
  Holdup holdup(ledger);
  auto shown = frame(1);
  ledger.publish(shown);
  auto draining = std::async(std::launch::async, [&] { return ledger.drain(far_off()); });
  holdup.go();
  fail_unless(draining.get().empty());
  fail_unless_equals_int(shown.use_count(), 1);  // forgotten, as one published before
  fail_unless(ledger.acquire("a", kNow).outcome == Outcome::kTimeout);
}
GST_END_TEST

GST_START_TEST(a_frame_that_nobody_put_into_the_book_dies_with_the_ledger) {
  auto shown = frame(1);
  {
    Ledger ledger(Hold::now);
    ledger.stop();
    Holdup holdup(ledger);
    ledger.publish(shown);
  }
  fail_unless_equals_int(shown.use_count(), 1);
}
GST_END_TEST

GST_START_TEST(a_frame_is_lent_to_a_waiting_reader_before_publish_returns) {
  Ledger ledger;
  auto waiting = std::async(std::launch::async, [&] { return ledger.acquire("a", far_off()); });
  await_waiting(ledger, 1);
  ledger.publish(frame(1));
  fail_unless_equals_int(ledger.counts().outstanding, 1);  // whether it runs by now or not
  const auto left = ledger.drain(kNow);
  fail_unless_equals_int(left.size(), 1);
  fail_unless_equals_int(number(waiting.get()), 1);
}
GST_END_TEST

GST_START_TEST(readers_for_whom_there_is_nothing_sleep_on) {
  constexpr int kReleases = 200;
  Ledger ledger;
  ledger.publish(frame(1));
  const auto kept = ledger.acquire("asleep", kNow);
  auto sleeps = std::async(std::launch::async, [&] {
    const auto before = sleeps_of_this_thread();
    fail_unless_equals_int(number(ledger.acquire("asleep", far_off())), 2);
    return sleeps_of_this_thread() - before;
  });
  await_waiting(ledger, 1);
  for (int i = 0; i < kReleases; ++i) {
    ledger.release(ledger.acquire("r" + std::to_string(i), kNow).id);
    ledger.revoke("nobody");
    std::this_thread::yield();
  }
  ledger.release(kept.id);
  ledger.publish(frame(2));
  fail_unless(sleeps.get() < kReleases / 20);
}
GST_END_TEST

GST_START_TEST(threads_that_share_a_name_are_served_in_turn) {
  Ledger ledger;
  auto one = std::async(std::launch::async, [&] { return ledger.acquire("a", far_off()); });
  await_waiting(ledger, 1);
  auto two = std::async(std::launch::async, [&] { return ledger.acquire("a", far_off()); });
  await_waiting(ledger, 2);
  ledger.publish(frame(1));
  fail_unless_equals_int(number(one.get()), 1);
  fail_unless_equals_int(ledger.counts().waiting, 1);
  ledger.publish(frame(2));
  fail_unless_equals_int(number(two.get()), 2);
}
GST_END_TEST

GST_START_TEST(a_new_limit_and_a_queue_that_ends_are_told_to_who_waits) {
  Ledger ledger;
  ledger.publish(frame(1));
  const auto kept = ledger.acquire("limited", kNow);
  auto limited =
      std::async(std::launch::async, [&] { return ledger.acquire("limited", far_off()); });
  await_waiting(ledger, 1);
  ledger.limit(1);
  fail_unless(limited.get().outcome == Outcome::kLimit);
  ledger.set_queue("queued", 1);
  auto queued = std::async(std::launch::async, [&] { return ledger.acquire("queued", far_off()); });
  await_waiting(ledger, 1);
  ledger.set_queue("queued", 0);  // the newest frame is its next
  fail_unless_equals_int(number(queued.get()), 1);
}
GST_END_TEST

/// A frame may take its time to die: the driver waits for kernels before it frees memory.
GST_START_TEST(a_drain_in_which_a_frame_dies_holds_up_nobody) {
  Ledger ledger;
  ledger.publish(frame(1));
  const auto kept = ledger.acquire("a", kNow);
  bool released = false;
  ledger.publish(cudacam::FrameRef(new int(2), [&](int *last) {
    delete last;
    std::thread([&] { released = ledger.release(kept.id); }).join();  // would hang
  }));
  fail_unless(ledger.drain(far_off()).empty());
  fail_unless(released);
}
GST_END_TEST

/// It sleeps through the drain, so it is not what it waited for in vain.
GST_START_TEST(a_drain_that_is_over_is_not_why_no_frame_came) {
  Ledger ledger;
  auto waiting = std::async(std::launch::async, [&] {
    return ledger.acquire("a", Ledger::Clock::now() + std::chrono::milliseconds(300));
  });
  while (ledger.counts().waiting == 0 &&
         waiting.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
    std::this_thread::yield();
  fail_unless(ledger.drain(kNow).empty());
  fail_unless(waiting.get().outcome == Outcome::kTimeout);
}
GST_END_TEST

/// A deadline meets a frame: the reader has it, or it is still the newest, never lent to nobody.
GST_START_TEST(no_lease_is_lost_when_a_deadline_meets_a_frame) {
  constexpr int kRounds = 2000;
  Ledger ledger;
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&, name = "reader" + std::to_string(i)] {
      for (auto wait = std::chrono::nanoseconds(1); !done;
           wait = wait.count() > 200000 ? std::chrono::nanoseconds(1) : wait * 2) {
        const auto lease = ledger.acquire(name, Ledger::Clock::now() + wait);
        if (lease.outcome == Outcome::kLent) ledger.release(lease.id);
      }
    });
  }
  for (int i = 0; i < kRounds; ++i) {
    ledger.publish(frame(i));
    std::this_thread::yield();
  }
  done = true;
  for (auto &reader : readers) reader.join();
  const auto counts = ledger.counts();
  fail_unless_equals_int(counts.outstanding, 0);
  fail_unless_equals_int(counts.waiting, 0);
  fail_unless_equals_uint64(counts.lent, counts.released);
  fail_unless_equals_uint64(counts.published, kRounds);
}
GST_END_TEST

static Suite *ledger_waits_suite() {
  auto *suite = suite_create("ledger-waits");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_camera_does_not_wait_for_somebody_who_has_the_lock);
  tcase_add_test(tests, a_deferred_frame_wakes_the_reader_that_waits);
  tcase_add_test(tests, a_deferred_frame_comes_before_a_drain_that_comes_later);
  tcase_add_test(tests, a_frame_that_nobody_put_into_the_book_dies_with_the_ledger);
  tcase_add_test(tests, a_frame_is_lent_to_a_waiting_reader_before_publish_returns);
  tcase_add_test(tests, readers_for_whom_there_is_nothing_sleep_on);
  tcase_add_test(tests, threads_that_share_a_name_are_served_in_turn);
  tcase_add_test(tests, a_new_limit_and_a_queue_that_ends_are_told_to_who_waits);
  tcase_add_test(tests, a_drain_in_which_a_frame_dies_holds_up_nobody);
  tcase_add_test(tests, a_drain_that_is_over_is_not_why_no_frame_came);
  tcase_add_test(tests, no_lease_is_lost_when_a_deadline_meets_a_frame);
  return suite;
}

GST_CHECK_MAIN(ledger_waits)
