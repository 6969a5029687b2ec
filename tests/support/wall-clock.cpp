// SPDX-License-Identifier: LGPL-2.1-or-later
#include "wall-clock.hpp"

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace {

std::atomic<std::int64_t> step{0};

}  // namespace

extern "C" {

// The C library declares them not to throw, and without a visibility of our choice.
#define CUDACAM_INTERPOSE __attribute__((visibility("default")))

CUDACAM_INTERPOSE int clock_gettime(clockid_t clock, struct timespec *time) noexcept {
  const auto result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    time->tv_sec += step;
  return result;
}

CUDACAM_INTERPOSE int gettimeofday(struct timeval *__restrict time, void *__restrict) noexcept {
  struct timespec now {};
  const int result = clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return result;
}

CUDACAM_INTERPOSE time_t time(time_t *time) noexcept {
  struct timespec now {};
  clock_gettime(CLOCK_REALTIME, &now);
  if (time) *time = now.tv_sec;
  return now.tv_sec;
}
}

namespace cudacam::test {

void step_wall_clock(std::int64_t seconds) {
  step += seconds;
}

}  // namespace cudacam::test
