// SPDX-License-Identifier: LGPL-2.1-or-later
/// A mutex for sections so short that waiting for one costs less than sleeping.
///
/// std::mutex puts a thread to sleep as soon as it meets another, and the way back through the
/// kernel takes some 50 us where what was waited for took 0.1 us.
#pragma once

#include <mutex>
#include <thread>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace cudacam {

/// As std::mutex, which sleeps only after some microseconds: the owner has lost its core then.
class PatientMutex {
 public:
  /// How often try_lock() looks at the lock: for some hundred nanoseconds.
  static constexpr unsigned kFewLooks = 6;

  PatientMutex() = default;
  PatientMutex(const PatientMutex &) = delete;
  PatientMutex &operator=(const PatientMutex &) = delete;

  void lock() {
    if (!try_lock(kLooks)) mutex_.lock();
  }
  bool try_lock() { return mutex_.try_lock(); }
  /// Never sleeps.
  bool try_lock(unsigned looks) {
    for (unsigned look = 0; look < looks; ++look) {
      if (mutex_.try_lock()) return true;
      // Each look takes the lock's cache line from its owner: ever fewer of them.
      for (unsigned pause = 0; pause <= look && pause < kLongestPause; ++pause) relax();
    }
    return mutex_.try_lock();
  }
  void unlock() { mutex_.unlock(); }

 private:
  static constexpr unsigned kLooks = 40;
  static constexpr unsigned kLongestPause = 8;

  static void relax() {
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#else
    std::this_thread::yield();
#endif
  }

  std::mutex mutex_;
};

}  // namespace cudacam
