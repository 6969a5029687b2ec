// SPDX-License-Identifier: LGPL-2.1-or-later
/// The lock of a stream: who holds it may push, and pushing may block.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace cudacam {

/// A lock that is meant to be held while calling downstream (as GstPad's stream lock is), with what
/// std::mutex lacks for that: others can see that it is held, and wait for it with a deadline.
/// Lockable, so std::unique_lock works. Not recursive.
class StreamLock {
 public:
  void lock();
  bool try_lock();
  void unlock();
  bool is_held() const;
  /// Waits until nobody holds it; false after `timeout`.
  bool wait_idle(std::chrono::milliseconds timeout);

 private:
  mutable std::mutex mutex_;  ///< guards held_; never held while calling out
  std::condition_variable released_;
  bool held_ = false;
};

}  // namespace cudacam
