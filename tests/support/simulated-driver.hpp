// SPDX-License-Identifier: LGPL-2.1-or-later
/// The simulated driver's controls and counters, where this process runs on it; nvsim's nvsim.h and
/// README.md say what they do. On a real driver and on none, everything is 0 and nothing happens.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace cudacam::test {

class SimulatedDriver {
  template <class Function>
  Function *find(const char *name) const {
    return library_ ? reinterpret_cast<Function *>(dlsym(library_, name)) : nullptr;
  }
  template <class Function, class... Args>
  auto control(const char *name, Args... args) const {
    using Result = decltype(static_cast<Function *>(nullptr)(args...));
    auto *function = find<Function>(name);
    if constexpr (std::is_void_v<Result>) {
      if (function) function(args...);
    } else {
      return function ? function(args...) : Result{};
    }
  }

 public:
  explicit operator bool() const { return counter_ != nullptr; }

  std::int64_t counter(const char *name) const { return counter_ ? counter_(name) : 0; }
  /// Calls of a function of the driver, by all threads.
  std::uint64_t calls(const char *function) const { return calls_ ? calls_(function) : 0; }

  /// The same by this thread.
  std::uint64_t calls_by_thread(const char *function) const {
    return control<std::uint64_t(const char *)>("nvsim_calls_by_thread", function);
  }

  void hold_all(bool hold) const { control<void(int)>("nvsim_hold_all", hold); }
  void hold(void *stream, bool hold) const {
    control<int(void *, int)>("nvsim_hold", stream, hold);
  }
  /// How many of `count` operations the held stream did.
  int step(void *stream, unsigned count) const {
    return control<int(void *, unsigned)>("nvsim_step", stream, count);
  }
  /// Operations that the stream has yet to do.
  long pending(void *stream) const { return control<long(void *)>("nvsim_pending", stream); }
  void delay(unsigned most_us, std::uint64_t seed) const {
    control<void(unsigned, std::uint64_t)>("nvsim_set_delay", most_us, seed);
  }

  /// Whether the rule was understood.
  bool fault(const std::string &rule) const {
    return *this && control<int(const char *)>("nvsim_fault_add", rule.c_str()) == 0;
  }
  void clear_faults() const { control<void()>("nvsim_fault_clear"); }
  /// The sticky error of the process, 0 for none; setting 0 makes the driver work again.
  int error() const { return control<int()>("nvsim_error"); }
  void set_error(int code) const { control<void(int)>("nvsim_set_error", code); }

  void limit_memory(std::uint64_t bytes) const {
    control<int(int, std::uint64_t)>("nvsim_set_memory_limit", 0, bytes);
  }
  /// Whether memory that is freed is first waited for, as real drivers do.
  void let_free_wait(bool waits) const { control<void(int)>("nvsim_set_free_waits", waits); }

  unsigned violations() const { return control<unsigned()>("nvsim_violations"); }
  /// What was reported; forgets it.
  std::string take_report() const {
    std::string text(1 << 16, '\0');
    text.resize(
        control<std::size_t(char *, std::size_t)>("nvsim_report", text.data(), text.size()));
    control<void()>("nvsim_report_clear");
    return text;
  }

 private:
  void *const library_ = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);  // never closed
  std::int64_t (*const counter_)(const char *) = find<std::int64_t(const char *)>("nvsim_counter");
  std::uint64_t (*const calls_)(const char *) = find<std::uint64_t(const char *)>("nvsim_calls");
};

/// For CHECK_MAIN_UNLESS.
inline const char *no_simulated_driver() {
  return SimulatedDriver() ? "" : "this takes the simulated driver";
}

}  // namespace cudacam::test
