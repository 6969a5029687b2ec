// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/overdue-watch.hpp"

#include <algorithm>
#include <utility>

namespace cudacam {
namespace {
/// For timeouts so short that the watch would never sleep.
constexpr auto kShortestNap = std::chrono::milliseconds(1);
}  // namespace

OverdueWatch::OverdueWatch(std::shared_ptr<Ledger> ledger, Duration timeout, Report report)
    : ledger_(std::move(ledger)),
      report_(std::move(report)),
      timeout_(timeout),
      thread_([this] { run(); }) {
}

OverdueWatch::~OverdueWatch() {
  {
    std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void OverdueWatch::set_timeout(Duration timeout) {
  {
    std::lock_guard lock(mutex_);
    timeout_ = timeout;
    timeout_is_new_ = true;
  }
  changed_.notify_one();
}

void OverdueWatch::run() {
  std::unique_lock lock(mutex_);
  const auto news = [this] { return done_ || timeout_is_new_; };
  while (!done_) {
    timeout_is_new_ = false;
    const auto timeout = timeout_;
    if (timeout == Duration::zero()) {
      changed_.wait(lock, news);
      continue;
    }
    lock.unlock();
    const auto now = Ledger::Clock::now();
    for (const auto &overdue : ledger_->overdue(timeout)) report_(overdue);
    const auto next = ledger_->next_overdue(timeout).value_or(now + timeout);
    const auto wake = std::max<Ledger::Clock::time_point>(next, now + kShortestNap);
    lock.lock();
    changed_.wait_until(lock, wake, news);
  }
}

}  // namespace cudacam
