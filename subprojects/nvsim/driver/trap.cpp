// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/trap.hpp"

#include <unistd.h>

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "driver/driver.hpp"

namespace nvsim {
namespace {

struct Guard {
  sigjmp_buf back;
  const void *fault = nullptr;
};
thread_local Guard *guard = nullptr;

struct sigaction previous_segv;
struct sigaction previous_bus;

// Says whose memory it was, if that can be told without waiting for a lock.
void explain(const void *address) {
  Driver &driver = Driver::get();
  const auto value = reinterpret_cast<std::uint64_t>(address);
  if (!driver.arena.contains(value)) return;
  std::string memory = "device memory";
  if (driver.mutex.try_lock()) {
    memory = driver.memory.describe(value);
    driver.mutex.unlock();
  }
  driver.report.violation(format("host code touched device memory at %#llx: %s",
                                 static_cast<unsigned long long>(value), memory.c_str()));
}

void on_trap(int number, siginfo_t *info, void *machine) {
  if (guard) {
    guard->fault = info->si_addr;
    siglongjmp(guard->back, 1);
  }
  explain(info->si_addr);
  const struct sigaction &previous = number == SIGBUS ? previous_bus : previous_segv;
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(number, info, machine);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(number);
  } else {
    // The access is made again on return and ends the process as it would have without nvsim.
    signal(number, SIG_DFL);
  }
}

void install(int number, struct sigaction *previous) {
  struct sigaction mine {};
  mine.sa_sigaction = on_trap;
  mine.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigemptyset(&mine.sa_mask);
  struct sigaction found {};
  if (sigaction(number, nullptr, &found) == 0 &&
      !((found.sa_flags & SA_SIGINFO) && found.sa_sigaction == on_trap)) {
    *previous = found;
    sigaction(number, &mine, nullptr);
  }
}

}  // namespace

void install_trap() {
  install(SIGSEGV, &previous_segv);
  install(SIGBUS, &previous_bus);
}

bool run_trapped(void (*function)(void *), void *argument, const void **fault) {
  Guard here;
  Guard *const outer = guard;
  if (sigsetjmp(here.back, 1) != 0) {
    guard = outer;
    *fault = here.fault;
    return false;
  }
  guard = &here;
  function(argument);
  guard = outer;
  return true;
}

}  // namespace nvsim
