// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/leaving.hpp"

#include <cstdlib>
#include <utility>

namespace cudacam {
namespace {

constexpr std::chrono::seconds kLastWait{1};

/// One thread, which is there while there is something to free; never ended, like all that a plugin
/// keeps for the process.
GThreadPool *thread() {
  static GThreadPool *const pool = g_thread_pool_new(
      [](gpointer data, gpointer) {
        const std::unique_ptr<std::function<void()>> job(
            static_cast<std::function<void()> *>(data));
        (*job)();
      },
      nullptr, 1, FALSE, nullptr);
  return pool;
}

/// What is left of all elements, for the end of the process: the driver is not to be called while
/// it goes.
const std::shared_ptr<Leaving> &all() {
  static auto *const everything = [] {
    std::atexit([] { all()->wait(kLastWait); });
    return new std::shared_ptr<Leaving>(std::make_shared<Leaving>());
  }();
  return *everything;
}

}  // namespace

gsize Leaving::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void Leaving::run(gsize bytes, std::function<void()> free) {
  const auto add = [bytes](Leaving &to) {
    const std::lock_guard lock(to.mutex_);
    to.bytes_ += bytes;
  };
  const auto remove = [bytes](Leaving &from) {
    const std::lock_guard lock(from.mutex_);
    from.bytes_ -= bytes;
    from.changed_.notify_all();
  };
  add(*this);
  add(*all());
  auto job = [self = shared_from_this(), remove, work = std::move(free)]() mutable {
    work();
    work = nullptr;  // what it kept goes, too, before all is said to be gone
    remove(*self);
    remove(*all());
  };
  g_thread_pool_push(thread(), new std::function<void()>(std::move(job)), nullptr);
}

bool Leaving::wait(std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [this] { return bytes_ == 0; });
}

}  // namespace cudacam
