// SPDX-License-Identifier: LGPL-2.1-or-later
/// The simulated driver's controls, where this process runs on it: nvsim's nvsim.h and README.md
/// say what they do. On a real driver and on none, everything counts 0 and nothing happens.
#pragma once

#include <dlfcn.h>

#include <cstdint>

namespace cudacam::test {

class SimulatedDriver {
 public:
  explicit operator bool() const { return counter_ != nullptr; }

  std::int64_t counter(const char *name) const { return counter_ ? counter_(name) : 0; }
  /// Calls of a function of the driver, by all threads.
  std::uint64_t calls(const char *function) const { return calls_ ? calls_(function) : 0; }
  unsigned violations() const { return violations_ ? violations_() : 0; }

  bool add_fault(const char *spec) const { return add_fault_ && add_fault_(spec) == 0; }
  void clear_faults() const {
    if (clear_faults_) clear_faults_();
  }
  /// The sticky error of the process, 0 for none; setting 0 makes the driver work again.
  int error() const { return error_ ? error_() : 0; }
  void set_error(int code) const {
    if (set_error_) set_error_(code);
  }
  void limit_memory(std::uint64_t bytes) const {
    if (limit_memory_) limit_memory_(0, bytes);
  }
  void hold_all(bool hold) const {
    if (hold_all_) hold_all_(hold);
  }
  void hold(void *stream, bool hold) const {
    if (hold_) hold_(stream, hold);
  }
  /// Whether memory that is freed is first waited for, as real drivers do.
  void let_free_wait(bool waits) const {
    if (free_waits_) free_waits_(waits);
  }

 private:
  template <class Function>
  Function *find(const char *name) const {
    return library_ ? reinterpret_cast<Function *>(dlsym(library_, name)) : nullptr;
  }

  void *const library_ = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);  // never closed
  std::int64_t (*const counter_)(const char *) = find<std::int64_t(const char *)>("nvsim_counter");
  std::uint64_t (*const calls_)(const char *) = find<std::uint64_t(const char *)>("nvsim_calls");
  unsigned (*const violations_)() = find<unsigned()>("nvsim_violations");
  int (*const add_fault_)(const char *) = find<int(const char *)>("nvsim_fault_add");
  void (*const clear_faults_)() = find<void()>("nvsim_fault_clear");
  int (*const error_)() = find<int()>("nvsim_error");
  void (*const set_error_)(int) = find<void(int)>("nvsim_set_error");
  int (*const limit_memory_)(int, std::uint64_t) =
      find<int(int, std::uint64_t)>("nvsim_set_memory_limit");
  void (*const hold_all_)(int) = find<void(int)>("nvsim_hold_all");
  int (*const hold_)(void *, int) = find<int(void *, int)>("nvsim_hold");
  void (*const free_waits_)(int) = find<void(int)>("nvsim_set_free_waits");
};

}  // namespace cudacam::test
