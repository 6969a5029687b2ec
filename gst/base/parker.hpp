// SPDX-License-Identifier: LGPL-2.1-or-later
/// One thread that sleeps until another wakes it, once.
#pragma once

#include <condition_variable>
#include <mutex>

namespace cudacam {

/// Belongs to the thread that sleeps, which must not let it go while somebody is about to wake it.
class Parker {
 public:
  void wake() {
    // Notified under the lock: once it is gone, so may be the sleeper with us.
    std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return woken_; });
  }
  /// False: nobody woke it by then.
  template <class TimePoint>
  bool wait_until(TimePoint deadline) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline, [this] { return woken_; });
  }

 private:
  std::mutex mutex_;  // guards woken_; held by nobody who waits for something else
  std::condition_variable changed_;
  bool woken_ = false;
};

}  // namespace cudacam
