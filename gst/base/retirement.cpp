// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/retirement.hpp"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

namespace cudacam {

struct Retirement::State {
  using Clock = std::chrono::steady_clock;
  std::mutex mutex;  ///< guards deadlines; never held while a job runs
  std::condition_variable finished;
  std::list<Clock::time_point> deadlines;  ///< of the jobs that run
};

Retirement::Retirement() : state_(std::make_shared<State>()) {
}

Retirement::~Retirement() {
  wait(kLastWait);
}

void Retirement::run(std::chrono::milliseconds patience, std::function<void()> job) {
  std::list<State::Clock::time_point>::iterator own;
  {
    std::lock_guard lock(state_->mutex);
    own = state_->deadlines.insert(state_->deadlines.end(), State::Clock::now() + patience);
  }
  std::thread([state = state_, own, job = std::move(job)]() mutable {
    job();
    job = nullptr;  // what it owns goes before anybody is told that it is done
    // Notified under the lock: the waiter may be the last owner but us.
    std::lock_guard lock(state->mutex);
    state->deadlines.erase(own);
    state->finished.notify_all();
  }).detach();
}

bool Retirement::wait(std::chrono::milliseconds timeout) {
  std::unique_lock lock(state_->mutex);
  return state_->finished.wait_for(lock, timeout, [this] { return state_->deadlines.empty(); });
}

unsigned Retirement::running() const {
  std::lock_guard lock(state_->mutex);
  return static_cast<unsigned>(state_->deadlines.size());
}

unsigned Retirement::hanging() const {
  const auto now = State::Clock::now();
  std::lock_guard lock(state_->mutex);
  return static_cast<unsigned>(std::count_if(state_->deadlines.begin(), state_->deadlines.end(),
                                             [now](auto deadline) { return now >= deadline; }));
}

}  // namespace cudacam
