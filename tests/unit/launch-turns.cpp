// SPDX-License-Identifier: LGPL-2.1-or-later
/// Every order in which a few cameras can come to launch a copy, and many random ones of many.
#include "cuda/launch-turns.hpp"

#include <gst/check/gstcheck.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

using cudacam::LaunchTurns;

namespace {

struct Camera {
  unsigned planes;
  bool independent;  // else it never waits for others
};

/// check's macros report even what is as it should be, which takes too long here.
void expect(bool condition, const char *what) {
  if (!condition) fail("%s", what);
}

/// Cameras that want one copy each, in the steps in which LaunchCombiner makes them: each step is
/// what one of them does while it has the lock.
class Model {
 public:
  Model(const std::vector<Camera> &cameras, unsigned most_inside, unsigned most_copies,
        unsigned most_planes)
      : turns_(most_inside, most_copies, most_planes),
        most_inside_(most_inside),
        most_copies_(most_copies),
        most_planes_(most_planes) {
    for (const auto &camera : cameras) {
      cameras_.push_back({camera});
      entries_.emplace_back(camera.planes);
    }
  }

  /// Those that can do something now.
  std::vector<std::size_t> able() const {
    std::vector<std::size_t> able;
    for (std::size_t i = 0; i < cameras_.size(); ++i) {
      const auto &it = cameras_[i];
      const bool sleeps = it.at == At::kWaiting && it.saw == left_;
      if (it.at != At::kEnd && !sleeps) able.push_back(i);
    }
    return able;
  }

  void step(std::size_t i) {
    auto &it = cameras_[i];
    switch (it.at) {
      case At::kStart:
        if (turns_.enter()) {
          begin_launch({i});
          it.at = At::kAlone;
        } else {
          it.at = At::kNotAlone;
        }
        return;
      case At::kNotAlone:
        if (!it.camera.independent) {
          ++it.launches;
          it.at = At::kEnd;
          return;
        }
        turns_.join(entries_[i]);
        order_.push_back(i);
        return go_on(i);
      case At::kAlone:
        end_launch({});
        it.at = At::kEnd;
        return;
      case At::kInside:
        end_launch(it.batch);
        return go_on(i);
      case At::kWaiting:
        return go_on(i);
      case At::kEnd:
        break;
    }
    fail("a camera at its end goes on");
  }

  void expect_end() const {
    for (const auto &it : cameras_) {
      expect(it.at == At::kEnd, "nobody can go on, and a camera waits");
      expect(it.launches == 1, "a copy was not launched once");
    }
    expect(turns_.inside() == 0 && turns_.waiting() == 0, "somebody is left");
  }

  unsigned launches() const { return launches_; }

 private:
  enum class At { kStart, kNotAlone, kWaiting, kAlone, kInside, kEnd };
  struct State {
    Camera camera;
    At at = At::kStart;
    unsigned launches = 0;
    unsigned saw = 0;
    LaunchTurns::Batch batch{};
  };

  /// As in LaunchCombiner::run(), after join() and after each leave().
  void go_on(std::size_t i) {
    auto &it = cameras_[i];
    if (entries_[i].done()) {
      it.at = At::kEnd;
      return;
    }
    const bool full = turns_.full();
    const auto waiting = turns_.waiting();
    it.batch = turns_.take();
    if (it.batch.empty()) {
      expect(full || waiting == 0, "there is room, and who waits gets nothing");
      it.at = At::kWaiting;
      it.saw = left_;
      return;
    }
    expect(!full, "one more than may be is inside");
    std::vector<std::size_t> taken;
    unsigned planes = 0;
    for (auto *entry : it.batch) {
      taken.push_back(index_of(entry));
      planes += entry->planes();
    }
    expect_oldest(taken);
    expect(taken.size() <= most_copies_ && (taken.size() == 1 || planes <= most_planes_),
           "too many");
    if (taken.size() < waiting && taken.size() < most_copies_)
      expect(planes + entries_[order_.front()].planes() > most_planes_,
             "one was left behind that had room");
    expect(turns_.waiting() == waiting - taken.size(), "it is not known how many wait");
    begin_launch(taken);
    it.at = At::kInside;
  }

  std::size_t index_of(const LaunchTurns::Entry *entry) const {
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (&entries_[i] == entry) return i;
    throw std::logic_error("an entry of nobody");
  }
  void expect_oldest(const std::vector<std::size_t> &taken) {
    for (const auto i : taken) {
      expect(order_.front() == i, "one was overtaken");
      order_.pop_front();
    }
  }
  void begin_launch(const std::vector<std::size_t> &cameras) {
    expect(inside_ < most_inside_, "too many are inside");
    ++inside_;
    ++launches_;
    for (const auto i : cameras) ++cameras_[i].launches;
  }
  void end_launch(const LaunchTurns::Batch &batch) {
    --inside_;
    turns_.leave(batch);
    ++left_;
  }

  LaunchTurns turns_;
  const unsigned most_inside_, most_copies_, most_planes_;
  std::deque<LaunchTurns::Entry> entries_;
  std::vector<State> cameras_;
  std::deque<std::size_t> order_;  // of those that wait
  unsigned left_ = 0, launches_ = 0;
  unsigned inside_ = 0;
};

using Cameras = std::vector<Camera>;

/// Runs the model through every order of steps; returns how many there are.
std::size_t in_every_order(const std::function<std::unique_ptr<Model>()> &make) {
  struct Choice {
    std::size_t taken, of;
  };
  std::vector<Choice> path;
  std::size_t orders = 0;
  do {
    const auto model = make();
    std::size_t depth = 0;
    for (auto able = model->able(); !able.empty(); able = model->able(), ++depth) {
      if (depth == path.size()) path.push_back({0, able.size()});
      model->step(able[path[depth].taken]);
    }
    model->expect_end();
    ++orders;
    while (!path.empty() && path.back().taken + 1 == path.back().of) path.pop_back();
    if (!path.empty()) ++path.back().taken;
  } while (!path.empty());
  return orders;
}

}  // namespace

GST_START_TEST(each_copy_is_launched_once_in_every_order) {
  const std::vector<Cameras> crowds = {
      {{2, true}, {2, true}, {2, true}},
      {{2, true}, {2, true}, {2, true}, {2, true}},
      {{1, true}, {4, true}, {3, true}, {2, true}},
      {{9, true}, {1, true}, {9, true}},  // more planes than a launch takes
      {{2, true}, {2, false}, {2, true}, {2, false}},
  };
  for (const auto &crowd : crowds)
    for (const unsigned most_inside : {1u, 2u})
      for (const unsigned most_copies : {1u, 2u, 3u, 16u})
        fail_unless(in_every_order([&] {
                      return std::make_unique<Model>(crowd, most_inside, most_copies, 5);
                    }) > 20);
}
GST_END_TEST

GST_START_TEST(many_cameras_in_random_orders) {
  std::minstd_rand random(7);
  for (int round = 0; round < 2000; ++round) {
    Cameras cameras;
    for (auto i = 1 + random() % 60; i > 0; --i)
      cameras.push_back({static_cast<unsigned>(1 + random() % 4), random() % 8 != 0});
    Model model(cameras, 1 + round % 5, LaunchTurns::kMostCopies, LaunchTurns::kMostPlanes);
    for (auto able = model.able(); !able.empty(); able = model.able())
      model.step(able[random() % able.size()]);
    model.expect_end();
  }
}
GST_END_TEST

GST_START_TEST(who_comes_when_nobody_launches_does_not_wait) {
  LaunchTurns turns(1);
  for (int i = 0; i < 3; ++i) {
    fail_unless(turns.enter());
    fail_unless(turns.full());
    turns.leave({});
  }
  fail_unless_equals_int(turns.inside(), 0);
}
GST_END_TEST

GST_START_TEST(a_few_launch_at_a_time) {
  LaunchTurns turns(3);
  for (int i = 0; i < 3; ++i) fail_unless(turns.enter());
  fail_unless(!turns.enter());
  LaunchTurns::Entry one(2u), other(2u);
  turns.join(one);
  fail_unless(turns.take().empty());
  turns.leave({});
  fail_unless(!turns.enter());  // there is room, but somebody waits
  turns.join(other);
  const auto batch = turns.take();
  fail_unless_equals_int(batch.size(), 2);
  turns.leave({});
  fail_unless(turns.enter());  // those two are inside, and nobody waits
  turns.leave(batch);
  fail_unless(one.done() && other.done());
}
GST_END_TEST

GST_START_TEST(all_that_wait_are_one_launch) {
  LaunchTurns turns(1);
  fail_unless(turns.enter());
  std::deque<LaunchTurns::Entry> entries;
  for (unsigned i = 0; i < LaunchTurns::kMostCopies + 3; ++i) {
    fail_unless(!turns.enter());
    turns.join(entries.emplace_back(2u));
    fail_unless(turns.take().empty());
  }
  turns.leave({});
  fail_unless(!turns.enter());  // those who wait are first
  auto batch = turns.take();
  fail_unless_equals_int(batch.size(), LaunchTurns::kMostCopies);
  fail_unless(turns.take().empty());  // somebody is inside
  fail_unless(!entries.front().done());
  turns.leave(batch);
  fail_unless(entries.front().done() && !entries.back().done());
  batch = turns.take();
  fail_unless_equals_int(batch.size(), 3);
  turns.leave(batch);
  fail_unless(entries.back().done());
  fail_unless(turns.enter());
}
GST_END_TEST

GST_START_TEST(frames_of_four_planes_fill_a_launch_too) {
  LaunchTurns turns(1);
  fail_unless(turns.enter());
  std::deque<LaunchTurns::Entry> entries;
  for (unsigned i = 0; i < LaunchTurns::kMostCopies; ++i) turns.join(entries.emplace_back(4u));
  turns.leave({});
  fail_unless_equals_int(turns.take().size(), LaunchTurns::kMostCopies);
}
GST_END_TEST

GST_START_TEST(misuse_is_refused) {
  const auto refused = [](auto &&call) {
    try {
      call();
    } catch (const std::logic_error &) {
      return true;
    }
    return false;
  };
  LaunchTurns turns;
  fail_unless(refused([&] { turns.leave({}); }));
  LaunchTurns::Entry entry(1);
  turns.join(entry);
  fail_unless(refused([&] { turns.join(entry); }));
  turns.leave(turns.take());
  fail_unless(refused([&] { turns.join(entry); }));
}
GST_END_TEST

static Suite *launch_turns_suite() {
  auto *suite = suite_create("launch-turns");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, each_copy_is_launched_once_in_every_order);
  tcase_add_test(tests, many_cameras_in_random_orders);
  tcase_add_test(tests, who_comes_when_nobody_launches_does_not_wait);
  tcase_add_test(tests, a_few_launch_at_a_time);
  tcase_add_test(tests, all_that_wait_are_one_launch);
  tcase_add_test(tests, frames_of_four_planes_fill_a_launch_too);
  tcase_add_test(tests, misuse_is_refused);
  return suite;
}

GST_CHECK_MAIN(launch_turns)
