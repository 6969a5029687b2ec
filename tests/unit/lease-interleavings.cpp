// SPDX-License-Identifier: LGPL-2.1-or-later
/// Every order in which a camera, readers, a drain, a revocation and a stop can meet.
///
/// Ledger runs each step of the book under one lock, so threads are orders of steps. Each actor has
/// a script; all interleavings of the scripts are run from the start, and what must hold is checked
/// after each step against a model that only knows which frames the readers have.
#include <gst/check/gstcheck.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

#include "lease/lease-book.hpp"

using cudacam::Discarded;
using cudacam::LeaseBook;
using Answer = LeaseBook::Answer;

namespace {

constexpr LeaseBook::Clock::time_point kNow{};
constexpr unsigned kMaxLeases = 2;
constexpr std::size_t kQueue = 2;

/// Thrown, because check's own macros write to a pipe each time, failed or not.
#define require(condition) \
  if (!(condition)) throw std::logic_error("line " + std::to_string(__LINE__) + ": " #condition)

/// A reader as it sees itself.
struct Reader {
  struct Lease {
    std::uint64_t id;
    std::shared_ptr<int> frame;
    bool revoked;
  };
  std::string name;
  std::size_t queue;
  std::vector<Lease> leases;  // that it has not released, oldest first
  int last = 0;               // number of the frame that it took last
  std::uint64_t taken = 0;
  std::uint64_t released = 0;  // not revoked
  std::uint64_t revoked = 0;
};

class World {
 public:
  World() {
    book_.limit(kMaxLeases);
    Discarded discarded;
    for (const auto &reader : readers_) book_.set_queue(reader.name, reader.queue, discarded);
  }

  /// The actors and their scripts, one letter for each step:
  /// P: publishes. A, a: the first reader takes, releases its oldest lease. B, b: the second, which
  /// queues. D, d: a drain begins, ends (as in time, or at its deadline). R: the first reader's
  /// leases are revoked. S: stop.
  void step(char letter) {
    Discarded discarded;
    switch (letter) {
      case 'P':
        return publish();
      case 'A':
        return take(readers_[0]);
      case 'a':
        return release(readers_[0]);
      case 'B':
        return take(readers_[1]);
      case 'b':
        return release(readers_[1]);
      case 'D':
        ++drains_;
        return book_.begin_drain(discarded);
      case 'd':
        --drains_;
        return book_.end_drain();
      case 'R':
        return revoke(readers_[0]);
      case 'S':
        stopped_ = true;
        return book_.stop(discarded);
    }
  }

  void check() const {
    unsigned outstanding = 0;
    unsigned lost = 0;
    for (const auto &reader : readers_) {
      const auto mine = check(reader);
      outstanding += mine;
      lost += unsigned(reader.leases.size()) - mine;
    }
    const auto counts = book_.counts();
    require(counts.outstanding == outstanding);
    require(counts.lost == lost);
    require(counts.lent == counts.released + counts.revoked + counts.outstanding);
    require(counts.published + counts.refused == published_.size());
    // What the original bug broke: nothing lent is nothing in any reader's hands.
    require(book_.drained() == (outstanding == 0));
    check_frames();
  }

 private:
  void publish() {
    const auto frame = std::make_shared<int>(static_cast<int>(published_.size()) + 1);
    published_.push_back(frame);
    Discarded discarded;
    require(book_.publish(frame, discarded) == (!drains_ && !stopped_));
  }

  void take(Reader &reader) {
    const auto unrevoked = leases_of(reader);
    const auto taken = book_.take(reader.name, kNow);
    require((taken.answer == Answer::kLent) == (taken.frame != nullptr));
    require((taken.answer == Answer::kStopped) == stopped_);
    if (!stopped_) {
      require((taken.answer == Answer::kDrain) == (drains_ && !unrevoked));
      require((taken.answer == Answer::kDrainHeld) == (drains_ && unrevoked));
      if (!drains_) require((taken.answer == Answer::kLimit) == (unrevoked == kMaxLeases));
    }
    if (!taken.frame) return;
    const auto frame = std::static_pointer_cast<int>(taken.frame);
    require(*frame > reader.last);
    if (!reader.queue) require(*frame == static_cast<int>(published_.size()));
    reader.last = *frame;
    reader.leases.push_back({taken.id, frame, false});
    ++reader.taken;
  }

  void release(Reader &reader) {
    if (reader.leases.empty()) return;
    const auto lease = reader.leases.front();
    reader.leases.erase(reader.leases.begin());
    require(book_.is_revoked(lease.id) == lease.revoked);
    require(book_.release(lease.id, kNow));
    require(!book_.release(lease.id, kNow));
    if (!lease.revoked) ++reader.released;
  }

  void revoke(Reader &reader) {
    const auto expected = leases_of(reader);
    require(book_.revoke(reader.name) == expected);
    for (auto &lease : reader.leases) lease.revoked = true;
    reader.revoked += expected;
  }

  static unsigned leases_of(const Reader &reader) {
    return unsigned(std::count_if(reader.leases.begin(), reader.leases.end(),
                                  [](const auto &lease) { return !lease.revoked; }));
  }

  /// Leases of `reader` that were not revoked.
  unsigned check(const Reader &reader) const {
    const auto leases = leases_of(reader);
    require(leases <= kMaxLeases);
    for (const auto &row : book_.rows()) {
      if (row.holder != reader.name) continue;
      require(row.leases == leases);
      require(row.taken == reader.taken);
      require(row.released == reader.released);
      require(row.revoked == reader.revoked);
    }
    for (const auto &lease : reader.leases) require(book_.is_revoked(lease.id) == lease.revoked);
    return leases;
  }

  /// The book keeps the newest frame and full queues at most, and nothing while it drains or after
  /// it was stopped: every other living frame is in a reader's hands.
  void check_frames() const {
    std::size_t kept = 0;
    for (const auto &frame : published_) {
      const auto alive = frame.lock();
      if (!alive) continue;
      const bool held = std::any_of(readers_.begin(), readers_.end(), [&](const auto &reader) {
        return std::any_of(reader.leases.begin(), reader.leases.end(),
                           [&](const auto &lease) { return lease.frame == alive; });
      });
      if (!held) ++kept;
    }
    require(kept <= (drains_ || stopped_ ? 0 : 1 + kQueue));
  }

  LeaseBook book_;
  std::array<Reader, 2> readers_{
      {{"newest", 0, {}, 0, 0, 0, 0}, {"every", kQueue, {}, 0, 0, 0, 0}}};
  std::vector<std::weak_ptr<int>> published_;
  int drains_ = 0;
  bool stopped_ = false;
};

/// Runs every interleaving of `scripts`; how many there were.
long run_all(const std::vector<std::string> &scripts) {
  std::string order;  // whose step is next, by number of the script
  for (std::size_t actor = 0; actor < scripts.size(); ++actor)
    order.append(scripts[actor].size(), static_cast<char>('0' + actor));
  long count = 0;
  do {
    World world;
    std::vector<std::size_t> at(scripts.size(), 0);
    std::string steps;
    try {
      for (const char digit : order) {
        const auto actor = static_cast<std::size_t>(digit - '0');
        steps += scripts[actor][at[actor]++];
        world.step(steps.back());
        world.check();
      }
    } catch (const std::logic_error &broken) {
      fail("after %s: %s", steps.c_str(), broken.what());
    }
    ++count;
  } while (std::next_permutation(order.begin(), order.end()));
  return count;
}

}  // namespace

GST_START_TEST(readers_and_a_drain) {
  fail_unless_equals_int(run_all({"PPP", "AaAa", "Bb", "Dd"}), 69300);
}
GST_END_TEST

GST_START_TEST(a_reader_meets_its_limit) {
  fail_unless_equals_int(run_all({"PPP", "AAAaa", "Dd"}), 2520);
}
GST_END_TEST

GST_START_TEST(a_reader_is_revoked) {
  fail_unless_equals_int(run_all({"PP", "AAaa", "BBb", "R"}), 12600);
}
GST_END_TEST

GST_START_TEST(a_drain_and_a_revocation) {
  fail_unless_equals_int(run_all({"PP", "AaAa", "Dd", "R", "B"}), 37800);
}
GST_END_TEST

GST_START_TEST(two_drains) {
  fail_unless_equals_int(run_all({"PP", "AaA", "Dd", "Dd"}), 7560);
}
GST_END_TEST

GST_START_TEST(a_stop_at_any_time) {
  fail_unless_equals_int(run_all({"PP", "Aa", "BBb", "Dd", "S"}), 75600);
}
GST_END_TEST

static Suite *interleavings_suite() {
  auto *suite = suite_create("lease-interleavings");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, readers_and_a_drain);
  tcase_add_test(tests, a_reader_meets_its_limit);
  tcase_add_test(tests, a_reader_is_revoked);
  tcase_add_test(tests, a_drain_and_a_revocation);
  tcase_add_test(tests, two_drains);
  tcase_add_test(tests, a_stop_at_any_time);
  return suite;
}

GST_CHECK_MAIN(interleavings)
