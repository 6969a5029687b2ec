// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/ledger.hpp"

#include <utility>

namespace cudacam {
namespace {

using Answer = LeaseBook::Answer;

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

}  // namespace

// In each function that makes the book let frames go, they are declared before the lock, so that
// they die after it is gone.

bool Ledger::publish(FrameRef frame) {
  Discarded discarded;
  {
    std::lock_guard lock(mutex_);
    if (!book_.publish(std::move(frame), discarded)) return false;
  }
  changed_.notify_all();
  return true;
}

Ledger::Lease Ledger::acquire(const std::string &holder, Clock::time_point deadline) {
  LeaseBook::Taken taken;
  {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.wait_until(lock, deadline, [&] {
      taken = book_.take(holder, now_());
      return taken.answer != Answer::kNothingNew && taken.answer != Answer::kDrain;
    });
    --waiting_;
  }
  return {final_outcome(taken.answer), taken.id, std::move(taken.frame)};
}

bool Ledger::release(std::uint64_t id) {
  {
    std::lock_guard lock(mutex_);
    if (!book_.release(id, now_())) return false;
  }
  changed_.notify_all();
  return true;
}

unsigned Ledger::revoke(const std::optional<std::string> &holder) {
  unsigned revoked = 0;
  {
    std::lock_guard lock(mutex_);
    revoked = book_.revoke(holder);
  }
  changed_.notify_all();
  return revoked;
}

bool Ledger::is_revoked(std::uint64_t id) const {
  std::lock_guard lock(mutex_);
  return book_.is_revoked(id);
}

std::vector<Ledger::Outstanding> Ledger::drain(Clock::time_point deadline) {
  Discarded discarded;
  std::vector<Outstanding> left;
  {
    std::unique_lock lock(mutex_);
    book_.begin_drain(discarded);
    changed_.notify_all();
    changed_.wait_until(lock, deadline, [&] { return stopped_ || book_.drained(); });
    book_.end_drain();
    left = book_.outstanding(now_());
  }
  changed_.notify_all();
  return left;
}

std::vector<Ledger::Outstanding> Ledger::stop(Clock::time_point deadline) {
  Discarded discarded;
  std::unique_lock lock(mutex_);
  stopped_ = true;
  book_.stop(discarded);
  changed_.notify_all();
  changed_.wait_until(lock, deadline, [&] { return book_.drained(); });
  return book_.outstanding(now_());
}

void Ledger::limit(unsigned max_leases) {
  std::lock_guard lock(mutex_);
  book_.limit(max_leases);
}

Discarded Ledger::set_queue(const std::string &holder, std::size_t queue) {
  Discarded discarded;
  std::lock_guard lock(mutex_);
  book_.set_queue(holder, queue, discarded);
  return discarded;
}

std::vector<LeaseBook::Overdue> Ledger::overdue(Clock::duration timeout) {
  std::lock_guard lock(mutex_);
  return book_.overdue(now_(), timeout);
}

std::optional<Ledger::Clock::time_point> Ledger::next_overdue(Clock::duration timeout) const {
  std::lock_guard lock(mutex_);
  return book_.next_overdue(timeout);
}

std::vector<Ledger::Outstanding> Ledger::outstanding() const {
  std::lock_guard lock(mutex_);
  return book_.outstanding(now_());
}

std::vector<LeaseBook::Row> Ledger::rows() const {
  std::lock_guard lock(mutex_);
  return book_.rows();
}

std::vector<LeaseBook::Held> Ledger::held() const {
  std::lock_guard lock(mutex_);
  return book_.held();
}

Ledger::Counts Ledger::counts() const {
  std::lock_guard lock(mutex_);
  Counts counts{};
  static_cast<LeaseBook::Counts &>(counts) = book_.counts();
  counts.waiting = waiting_;
  return counts;
}

}  // namespace cudacam
