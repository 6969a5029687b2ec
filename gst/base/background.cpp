// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/background.hpp"

#include <glib.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace cudacam {
namespace {

constexpr std::chrono::seconds kLastWait{1};

}  // namespace

struct Background::State {
  std::mutex mutex;  // guards all below; never held while a job runs
  std::condition_variable idle;
  std::deque<std::function<void()>> jobs;
  bool running = false;
  bool ended = false;
  GThreadPool *thread = nullptr;

  void work();
  void end();
};

/// Until there is nothing to do.
void Background::State::work() {
  std::unique_lock lock(mutex);
  while (!jobs.empty() && !ended) {
    auto job = std::move(jobs.front());
    jobs.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it owns goes before anybody is told that it is done
    lock.lock();
  }
  running = false;
  idle.notify_all();
}

void Background::State::end() {
  std::unique_lock lock(mutex);
  idle.wait_for(lock, kLastWait, [this] { return !running; });
  ended = true;
}

namespace {

/// All there are; std::atexit() takes no argument.
struct All {
  std::mutex mutex;
  std::vector<std::function<void()>> ends;
};
All &all() {
  static auto *const everything = new All;
  return *everything;
}

void at_exit() {
  const std::lock_guard lock(all().mutex);
  for (const auto &end : all().ends) end();
}

}  // namespace

Background::Background() : state_(new State) {
  state_->thread =
      g_thread_pool_new([](gpointer state, gpointer) { static_cast<State *>(state)->work(); },
                        nullptr, 1, FALSE, nullptr);
  const std::lock_guard lock(all().mutex);
  if (all().ends.empty()) std::atexit(at_exit);
  all().ends.push_back([state = state_] { state->end(); });
}

void Background::run(std::function<void()> job) {
  const std::lock_guard lock(state_->mutex);
  state_->jobs.push_back(std::move(job));
  if (state_->ended || std::exchange(state_->running, true)) return;
  g_thread_pool_push(state_->thread, state_, nullptr);
}

}  // namespace cudacam
