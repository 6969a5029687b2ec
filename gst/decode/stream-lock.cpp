// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/stream-lock.hpp"

namespace cudacam {

void StreamLock::lock() {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [this] { return !held_; });
  held_ = true;
}

bool StreamLock::try_lock() {
  std::lock_guard lock(mutex_);
  if (held_) return false;
  return held_ = true;
}

void StreamLock::unlock() {
  {
    std::lock_guard lock(mutex_);
    held_ = false;
  }
  released_.notify_all();
}

bool StreamLock::is_held() const {
  std::lock_guard lock(mutex_);
  return held_;
}

bool StreamLock::wait_idle(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return released_.wait_for(lock, timeout, [this] { return !held_; });
}

}  // namespace cudacam
