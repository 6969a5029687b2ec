// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera/retirement.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace cudacam {

struct Retirement::State {
  std::mutex mutex;  ///< guards running; never held while a job runs
  std::condition_variable finished;
  unsigned running = 0;
};

Retirement::Retirement() : state_(std::make_shared<State>()) {
}

Retirement::~Retirement() {
  wait(kLastWait);
}

void Retirement::run(std::function<void()> job) {
  {
    std::lock_guard lock(state_->mutex);
    state_->running++;
  }
  std::thread([state = state_, job = std::move(job)]() mutable {
    job();
    job = nullptr;  // what it owns goes before anybody is told that it is done
    // Notified under the lock: the waiter may be the last owner but us.
    std::lock_guard lock(state->mutex);
    state->running--;
    state->finished.notify_all();
  }).detach();
}

bool Retirement::wait(std::chrono::milliseconds timeout) {
  std::unique_lock lock(state_->mutex);
  return state_->finished.wait_for(lock, timeout, [this] { return state_->running == 0; });
}

unsigned Retirement::running() const {
  std::lock_guard lock(state_->mutex);
  return state_->running;
}

}  // namespace cudacam
