// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/ledger.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace cudacam {
namespace {

using Answer = LeaseBook::Answer;

bool worth_waiting(Answer answer) {
  return answer == Answer::kNothingNew || answer == Answer::kDrain;
}

/// What an answer means to somebody who will not wait any longer.
Ledger::Outcome final_outcome(Answer answer) {
  switch (answer) {
    case Answer::kLent:
      return Ledger::Outcome::kLent;
    case Answer::kNothingNew:
      return Ledger::Outcome::kTimeout;
    case Answer::kDrain:
    case Answer::kDrainHeld:
      return Ledger::Outcome::kDraining;
    case Answer::kLimit:
      return Ledger::Outcome::kLimit;
    case Answer::kStopped:
      break;
  }
  return Ledger::Outcome::kStopped;
}

Ledger::Lease lease_of(LeaseBook::Taken taken) {
  return {final_outcome(taken.answer), taken.id, std::move(taken.frame)};
}

}  // namespace

/// A thread in acquire(). Whoever takes it off the list has given it an answer and wakes it: then
/// it waits for that however late it is.
struct Ledger::Waiter {
  const std::string &holder;
  LeaseBook::Taken taken{};
  Waiter *next = nullptr;  // that is woken after it
  Parker parker{};
};

struct Ledger::Deferred {
  FrameRef frame;
  Deferred *next;
};

/// The lock, with what must happen when it is taken and after it is gone: frames from the inbox go
/// into the book; readers are woken and frames die outside.
class Ledger::Section {
 public:
  explicit Section(Ledger &ledger) : ledger_(ledger) { lock(); }
  /// With the ledger's lock already taken.
  Section(Ledger &ledger, std::adopt_lock_t) : ledger_(ledger) { empty_inbox(); }
  ~Section() { unlock(); }
  Section(const Section &) = delete;
  Section &operator=(const Section &) = delete;

  void lock() {
    ledger_.mutex_.lock();
    empty_inbox();
  }

  void unlock() {
    leave();
    // Whoever found the lock taken has left a frame before or is seen here: between its look at the
    // lock and ours at the inbox lie the barriers of the mutex and of the inbox.
    while (ledger_.inbox_ && ledger_.mutex_.try_lock()) {
      empty_inbox();
      leave();
    }
  }

  void wake_later(Waiter &waiter) {
    *last_ = &waiter;
    last_ = &waiter.next;
  }

  Discarded discarded;

 private:
  void empty_inbox() {
    if (!ledger_.inbox_) return;
    Deferred *oldest_first = nullptr;
    for (auto *one = ledger_.inbox_.exchange(nullptr); one;) {
      auto *newer = std::exchange(oldest_first, one);
      one = std::exchange(one->next, newer);
    }
    while (oldest_first) {
      const std::unique_ptr<Deferred> one(oldest_first);
      oldest_first = one->next;
      ++ledger_.deferred_;
      ledger_.enter_locked(std::move(one->frame), *this);
    }
  }

  void leave() {
    const auto dying = std::exchange(discarded, {});
    auto *waiter = std::exchange(served_, nullptr);
    last_ = &served_;
    ledger_.mutex_.unlock();
    while (waiter) {
      auto *next = waiter->next;  // once woken, it is gone
      waiter->parker.wake();
      waiter = next;
    }
  }

  Ledger &ledger_;
  Waiter *served_ = nullptr;
  Waiter **last_ = &served_;
};

Ledger::~Ledger() {
  for (auto *one = inbox_.load(); one;) {
    const std::unique_ptr<Deferred> mine(one);
    one = mine->next;
  }
}

bool Ledger::enter_locked(FrameRef frame, Section &section) {
  if (!book_.publish(std::move(frame), section.discarded)) return false;
  serve_locked(section);
  return true;
}

/// After a step that may have an answer for those who wait.
void Ledger::serve_locked(Section &section) {
  if (waiters_.empty()) return;
  const auto now = now_();
  const auto served = std::remove_if(waiters_.begin(), waiters_.end(), [&](Waiter *waiter) {
    waiter->taken = book_.take(waiter->holder, now);
    if (worth_waiting(waiter->taken.answer)) return false;
    section.wake_later(*waiter);
    return true;
  });
  waiters_.erase(served, waiters_.end());
}

bool Ledger::publish(FrameRef frame) {
  if (mutex_.try_lock(PatientMutex::kFewLooks)) {
    Section section(*this, std::adopt_lock);
    return enter_locked(std::move(frame), section);
  }
  auto *mine = new Deferred{std::move(frame), inbox_};
  while (!inbox_.compare_exchange_weak(mine->next, mine)) {
  }
  if (mutex_.try_lock()) Section(*this, std::adopt_lock);
  return true;
}

Ledger::Lease Ledger::acquire(const std::string &holder, Clock::time_point deadline) {
  Waiter me{holder};
  const auto now = now_();
  {
    Section section(*this);
    me.taken = book_.take(holder, now);
    if (!worth_waiting(me.taken.answer) || deadline <= Clock::now())
      return lease_of(std::move(me.taken));
    waiters_.push_back(&me);
  }
  if (me.parker.wait_until(deadline)) return lease_of(std::move(me.taken));
  {
    Section section(*this);
    const auto place = std::find(waiters_.begin(), waiters_.end(), &me);
    if (place != waiters_.end()) {
      waiters_.erase(place);
      return lease_of(std::move(me.taken));
    }
  }
  me.parker.wait();
  return lease_of(std::move(me.taken));
}

/// After a lease was given back or revoked.
void Ledger::note_return_locked() {
  any_lost_ = book_.lost() != 0;
  if (book_.drained()) tell_drains_locked();
}

void Ledger::tell_drains_locked() {
  for (auto *drain : drains_) drain->wake();
}

/// Until no lease is out or the deadline; may return sooner. Not a condition variable's wait, which
/// would let go of the section, and so let frames die, with a lock of its own held.
void Ledger::await_return(Section &section, Clock::time_point deadline) {
  Parker parker;
  drains_.push_back(&parker);
  section.unlock();
  parker.wait_until(deadline);
  section.lock();
  drains_.erase(std::find(drains_.begin(), drains_.end(), &parker));
}

bool Ledger::release(std::uint64_t id) {
  const auto now = now_();
  Section section(*this);
  if (!book_.release(id, now)) return false;
  note_return_locked();
  return true;
}

unsigned Ledger::revoke(const std::optional<std::string> &holder) {
  Section section(*this);
  const auto revoked = book_.revoke(holder);
  note_return_locked();
  return revoked;
}

bool Ledger::is_revoked(std::uint64_t id) {
  if (!any_lost_) return false;  // each release asks
  Section section(*this);
  return book_.is_revoked(id);
}

std::vector<Ledger::Outstanding> Ledger::drain(Clock::time_point deadline) {
  Section section(*this);
  book_.begin_drain(section.discarded);
  serve_locked(section);
  while (!stopped_ && !book_.drained() && Clock::now() < deadline) await_return(section, deadline);
  book_.end_drain();
  serve_locked(section);  // those whose answer was the drain
  return book_.outstanding(now_());
}

std::vector<Ledger::Outstanding> Ledger::stop(Clock::time_point deadline) {
  Section section(*this);
  stopped_ = true;
  book_.stop(section.discarded);
  serve_locked(section);
  tell_drains_locked();
  while (!book_.drained() && Clock::now() < deadline) await_return(section, deadline);
  return book_.outstanding(now_());
}

Discarded Ledger::limit(unsigned max_leases) {
  Section section(*this);
  book_.limit(max_leases);
  serve_locked(section);
  return std::move(section.discarded);
}

Discarded Ledger::set_queue(const std::string &holder, std::optional<std::size_t> queue) {
  Section section(*this);
  book_.set_queue(holder, queue, section.discarded);
  serve_locked(section);
  return std::move(section.discarded);
}

std::vector<LeaseBook::Overdue> Ledger::overdue(Clock::duration timeout) {
  Section section(*this);
  return book_.overdue(now_(), timeout);
}

std::optional<Ledger::Clock::time_point> Ledger::next_overdue(Clock::duration timeout) {
  Section section(*this);
  return book_.next_overdue(timeout);
}

std::vector<Ledger::Outstanding> Ledger::outstanding() {
  Section section(*this);
  return book_.outstanding(now_());
}

std::vector<LeaseBook::Row> Ledger::rows() {
  Section section(*this);
  return book_.rows();
}

std::vector<LeaseBook::Held> Ledger::held() {
  Section section(*this);
  return book_.held();
}

Ledger::Counts Ledger::counts() {
  Section section(*this);
  Counts counts{};
  static_cast<LeaseBook::Counts &>(counts) = book_.counts();
  counts.waiting = static_cast<unsigned>(waiters_.size());
  counts.deferred = deferred_;
  return counts;
}

}  // namespace cudacam
