// SPDX-License-Identifier: LGPL-2.1-or-later
/// Threads that want to launch while one of them is inside a launch, which the test ends.
#include "cuda/launch-combiner.hpp"

#include <gst/check/gstcheck.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

using cudacam::LaunchCombiner;

namespace {

/// Launches nothing, and remembers what it was asked for.
class Combiner : public LaunchCombiner {
 public:
  explicit Combiner(unsigned most_inside = 1) : LaunchCombiner(most_inside) {}
  std::vector<std::size_t> shared() const {
    const std::lock_guard lock(mutex_);
    return shared_;
  }
  std::atomic<bool> fails{false};

 private:
  void together(Job *const *, std::size_t count) override {
    const std::lock_guard lock(mutex_);
    shared_.push_back(count);
    if (fails) throw std::runtime_error("no launch of many");
  }

  mutable std::mutex mutex_;
  std::vector<std::size_t> shared_;
};

class Copy : public LaunchCombiner::Job {
 public:
  explicit Copy(bool independent = true, bool fails = false)
      : Job(2), independent_(independent), fails_(fails) {}
  bool independent() override {
    ++asked;
    return independent_;
  }
  void alone() override {
    ++alone_so_far;
    if (fails_) throw std::runtime_error("its own failure");
  }
  int asked = 0, alone_so_far = 0;

 private:
  const bool independent_, fails_;
};

/// A thread that is inside a launch until it is told to go on, or until this ends.
class Launching {
 public:
  explicit Launching(LaunchCombiner &combiner, bool fails = false)
      : result_(std::async(std::launch::async, [this, &combiner, fails] {
          Held copy(*this, fails);
          return combiner.run(copy);
        })) {
    begun_.get_future().wait();
  }
  ~Launching() {
    if (!gone_on_) go_on_.set_value();
  }
  Launching(const Launching &) = delete;
  Launching &operator=(const Launching &) = delete;

  /// What run() returned, or threw.
  bool go_on() {
    gone_on_ = true;
    go_on_.set_value();
    return result_.get();
  }

 private:
  struct Held : LaunchCombiner::Job {
    Held(Launching &launching, bool fail_then) : Job(1), it(launching), fails(fail_then) {}
    bool independent() override { return true; }
    void alone() override {
      it.begun_.set_value();
      it.go_on_.get_future().wait();
      if (fails) throw std::runtime_error("the launch failed");
    }
    Launching &it;
    const bool fails;
  };

  std::promise<void> begun_, go_on_;
  bool gone_on_ = false;
  std::future<bool> result_;
};

/// Copies on threads of their own, all of which wait.
class Crowd {
 public:
  Crowd(LaunchCombiner &combiner, const std::vector<std::shared_ptr<Copy>> &copies) {
    for (const auto &copy : copies)
      results_.push_back(
          std::async(std::launch::async, [copy, &combiner] { return combiner.run(*copy); }));
    while (combiner.waiting() < copies.size()) std::this_thread::yield();
  }
  /// How many of them say that they shared a launch, and how many failed.
  std::pair<int, int> end() {
    int shared = 0, failed = 0;
    for (auto &result : results_) {
      try {
        shared += result.get();
      } catch (const std::runtime_error &error) {
        fail_unless_equals_string(error.what(), "its own failure");
        ++failed;
      }
    }
    return {shared, failed};
  }

 private:
  std::vector<std::future<bool>> results_;
};

std::vector<std::shared_ptr<Copy>> copies(std::size_t count) {
  std::vector<std::shared_ptr<Copy>> copies;
  for (std::size_t i = 0; i < count; ++i) copies.push_back(std::make_shared<Copy>());
  return copies;
}

using Counts = std::vector<std::size_t>;

}  // namespace

GST_START_TEST(one_thread_launches_alone_and_is_asked_nothing) {
  Combiner combiner;
  for (int i = 0; i < 3; ++i) {
    Copy copy;
    fail_unless(!combiner.run(copy));
    fail_unless_equals_int(copy.alone_so_far, 1);
    fail_unless_equals_int(copy.asked, 0);
  }
  fail_unless(combiner.shared().empty());
  fail_unless_equals_uint64(combiner.shared_launches(), 0);
}
GST_END_TEST

GST_START_TEST(those_who_wait_share_one_launch) {
  for (const std::size_t count : {2u, 5u, 16u}) {
    Combiner combiner;
    Launching launching(combiner);
    const auto waiting = copies(count);
    Crowd crowd(combiner, waiting);
    fail_unless(combiner.shared().empty());
    fail_unless(!launching.go_on());
    fail_unless(crowd.end() == std::pair(static_cast<int>(count), 0));
    fail_unless(combiner.shared() == Counts{count});
    fail_unless_equals_uint64(combiner.shared_launches(), 1);
    fail_unless_equals_uint64(combiner.shared_copies(), count);
    for (const auto &copy : waiting) fail_unless_equals_int(copy->alone_so_far, 0);
  }
}
GST_END_TEST

GST_START_TEST(a_few_launch_at_a_time) {
  Combiner combiner(3);
  Launching launching(combiner), another(combiner);
  Copy third;
  fail_unless(!combiner.run(third));  // returns although two are inside
  fail_unless_equals_int(third.asked, 0);
  Launching last(combiner);
  Crowd crowd(combiner, copies(4));
  another.go_on();
  fail_unless(crowd.end() == std::pair(4, 0));  // while two are still inside
  fail_unless(combiner.shared() == Counts{4});
}
GST_END_TEST

GST_START_TEST(more_than_a_launch_takes_are_two) {
  Combiner combiner;
  Launching launching(combiner);
  Crowd crowd(combiner, copies(21));
  launching.go_on();
  fail_unless(crowd.end() == std::pair(21, 0));
  fail_unless(combiner.shared() == Counts({16, 5}));
}
GST_END_TEST

GST_START_TEST(one_that_waited_is_launched_alone) {
  Combiner combiner;
  Launching launching(combiner);
  const auto one = copies(1);
  Crowd crowd(combiner, one);
  launching.go_on();
  fail_unless(crowd.end() == std::pair(0, 0));
  fail_unless(combiner.shared().empty());
  fail_unless_equals_int(one[0]->alone_so_far, 1);
}
GST_END_TEST

GST_START_TEST(who_has_to_wait_for_the_gpu_does_not_wait_for_others) {
  Combiner combiner;
  Launching launching(combiner);
  Crowd crowd(combiner, copies(2));
  Copy copy(false);
  fail_unless(!combiner.run(copy));  // returns although somebody is inside
  fail_unless_equals_int(copy.asked, 1);
  fail_unless_equals_int(copy.alone_so_far, 1);
  fail_unless_equals_int(combiner.waiting(), 2);
  launching.go_on();
  fail_unless(crowd.end() == std::pair(2, 0));
}
GST_END_TEST

GST_START_TEST(each_of_a_failed_launch_is_tried_once_more_alone) {
  Combiner combiner;
  combiner.fails = true;
  Launching launching(combiner);
  auto waiting = copies(4);
  waiting[2] = std::make_shared<Copy>(true, true);
  Crowd crowd(combiner, waiting);
  launching.go_on();
  fail_unless(crowd.end() == std::pair(0, 1));
  fail_unless(combiner.shared() == Counts{4});
  for (const auto &copy : waiting) fail_unless_equals_int(copy->alone_so_far, 1);
  fail_unless_equals_uint64(combiner.shared_copies(), 0);
  Copy next;
  fail_unless(!combiner.run(next));
}
GST_END_TEST

GST_START_TEST(a_failure_of_the_one_inside_is_its_own) {
  Combiner combiner;
  Launching launching(combiner, true);
  Crowd crowd(combiner, copies(3));
  bool failed = false;
  try {
    launching.go_on();
  } catch (const std::runtime_error &) {
    failed = true;
  }
  fail_unless(failed);
  fail_unless(crowd.end() == std::pair(3, 0));
  fail_unless(combiner.shared() == Counts{3});
}
GST_END_TEST

GST_START_TEST(many_threads_launch_each_copy_once) {
  constexpr int kThreads = 8, kCopies = 3000;
  struct Counting : Combiner {
    Counting() : Combiner(2) {}
    std::atomic<std::uint64_t> copies{0};
    void together(Job *const *, std::size_t count) override { copies += count; }
  } combiner;
  std::atomic<std::uint64_t> alone{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kCopies; ++i) {
        Copy copy((i + t) % 7 != 0);
        const bool shared = combiner.run(copy);
        // Together with somebody, or by itself, and not both.
        if (copy.alone_so_far == (shared ? 0 : 1)) alone += copy.alone_so_far;
      }
    });
  for (auto &thread : threads) thread.join();
  fail_unless_equals_uint64(alone + combiner.copies, kThreads * kCopies);
  fail_unless_equals_uint64(combiner.shared_copies(), combiner.copies);
  fail_unless_equals_int(combiner.waiting(), 0);
}
GST_END_TEST

static Suite *launch_combiner_suite() {
  auto *suite = suite_create("launch-combiner");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, one_thread_launches_alone_and_is_asked_nothing);
  tcase_add_test(tests, those_who_wait_share_one_launch);
  tcase_add_test(tests, a_few_launch_at_a_time);
  tcase_add_test(tests, more_than_a_launch_takes_are_two);
  tcase_add_test(tests, one_that_waited_is_launched_alone);
  tcase_add_test(tests, who_has_to_wait_for_the_gpu_does_not_wait_for_others);
  tcase_add_test(tests, each_of_a_failed_launch_is_tried_once_more_alone);
  tcase_add_test(tests, a_failure_of_the_one_inside_is_its_own);
  tcase_add_test(tests, many_threads_launch_each_copy_once);
  return suite;
}

GST_CHECK_MAIN(launch_combiner)
