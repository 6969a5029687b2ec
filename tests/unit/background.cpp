// SPDX-License-Identifier: LGPL-2.1-or-later
/// Work on a thread of its own, and what becomes of it when the process ends.
#include "base/background.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

// After the standard library, whose streams have members by the names of check's macros.
#include <gst/check/gstcheck.h>

using cudacam::Background;

GST_START_TEST(jobs_run_in_order_on_another_thread) {
  Background background;
  std::mutex guard;
  std::condition_variable changed;
  std::vector<int> done;
  for (int i = 0; i < 100; ++i)
    background.run([&, i, caller = std::this_thread::get_id()] {
      const std::lock_guard lock(guard);
      done.push_back(caller == std::this_thread::get_id() ? -1 : i);
      changed.notify_all();
    });
  std::unique_lock lock(guard);
  changed.wait(lock, [&] { return done.size() == 100; });
  for (int i = 0; i < 100; ++i) fail_unless_equals_int(done[static_cast<std::size_t>(i)], i);
}
GST_END_TEST

/// What a job owns may be the last of something, so it goes on the thread, too.
GST_START_TEST(what_a_job_owns_goes_with_it) {
  Background background;
  std::mutex guard;
  std::condition_variable changed;
  std::thread::id gone_on;
  std::shared_ptr<int> owned(new int(0), [&](int *it) {
    delete it;
    const std::lock_guard lock(guard);
    gone_on = std::this_thread::get_id();
    changed.notify_all();
  });
  background.run([mine = std::move(owned)] {});
  std::unique_lock lock(guard);
  changed.wait(lock, [&] { return gone_on != std::thread::id(); });
  fail_unless(gone_on != std::this_thread::get_id());
}
GST_END_TEST

namespace {

/// Of a process that ends while a job is under way. Never destroyed: exit() is what it is about.
struct Ending {
  std::atomic<bool> begun{false};        // exit() has
  std::atomic<bool> taken_apart{false};  // what was there before the Background goes
  std::atomic<bool> finished{false};     // the job has, before that
  std::atomic<bool> late{false};         // a job began after that
  Background *background = nullptr;
} * ending;

/// Long enough for another thread to do what it should not.
void give_time(const std::atomic<bool> &unwanted) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  while (!unwanted && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
}

/// exit() calls what was registered last first.
[[noreturn]] void end_with_a_job_under_way() {
  ending = new Ending;
  std::atexit([] {
    ending->taken_apart = true;
    ending->background->run([] { ending->late = true; });
    give_time(ending->late);
    _exit((ending->finished ? 0 : 1) | (ending->late ? 2 : 0));
  });
  ending->background = new Background;
  std::atexit([] { ending->begun = true; });
  ending->background->run([] {
    while (!ending->begun) std::this_thread::yield();
    give_time(ending->taken_apart);
    ending->finished = !ending->taken_apart;
  });
  std::exit(4);  // not reached by its own code
}

}  // namespace

GST_START_TEST(the_process_ends_after_what_is_under_way_and_nothing_begins_then) {
  const auto child = fork();
  if (child == 0) end_with_a_job_under_way();
  int status = -1;
  fail_unless_equals_int(waitpid(child, &status, 0), child);
  fail_unless(WIFEXITED(status));
  fail_unless_equals_int(WEXITSTATUS(status), 0);
}
GST_END_TEST

static Suite *background_suite() {
  auto *suite = suite_create("background");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, jobs_run_in_order_on_another_thread);
  tcase_add_test(tests, what_a_job_owns_goes_with_it);
  tcase_add_test(tests, the_process_ends_after_what_is_under_way_and_nothing_begins_then);
  return suite;
}

GST_CHECK_MAIN(background)
