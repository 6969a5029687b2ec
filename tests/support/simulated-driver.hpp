// SPDX-License-Identifier: LGPL-2.1-or-later
/// The simulated driver's controls, where this process runs on it: nvsim's nvsim.h and README.md
/// say what they do. On a real driver and on none, everything counts 0 and nothing happens.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <string>

namespace cudacam::test {

class SimulatedDriver {
 public:
  explicit operator bool() const { return counter_ != nullptr; }

  std::int64_t counter(const char *name) const { return counter_ ? counter_(name) : 0; }
  /// Calls of a function of the driver, by all threads.
  std::uint64_t calls(const char *function) const { return calls_ ? calls_(function) : 0; }

  unsigned violations() const { return ask<unsigned>("nvsim_violations"); }
  /// What was reported; forgets it.
  std::string take_report() const {
    std::string text(1 << 16, '\0');
    text.resize(ask<std::size_t>("nvsim_report", text.data(), text.size()));
    ask<void>("nvsim_report_clear");
    return text;
  }

  /// Whether the rule was understood.
  bool add_fault(const std::string &rule) const {
    return *this && ask<int>("nvsim_fault_add", rule.c_str()) == 0;
  }
  void clear_faults() const { ask<void>("nvsim_fault_clear"); }
  /// The sticky error of the process, 0 for none; setting 0 makes the driver work again.
  int error() const { return ask<int>("nvsim_error"); }
  void set_error(int code) const { ask<void>("nvsim_set_error", code); }
  /// Of device 0.
  void limit_memory(std::uint64_t bytes) const { ask<int>("nvsim_set_memory_limit", 0, bytes); }
  /// Whether memory that is freed is first waited for, as real drivers do.
  void let_free_wait(bool waits) const { ask<void>("nvsim_set_free_waits", int{waits}); }

  void hold_all(bool hold) const { ask<void>("nvsim_hold_all", int{hold}); }
  void hold(void *stream, bool hold) const { ask<int>("nvsim_hold", stream, int{hold}); }
  /// How many of `count` operations the held stream did.
  int step(void *stream, unsigned count) const { return ask<int>("nvsim_step", stream, count); }
  /// Operations that the stream has yet to do.
  long pending(void *stream) const { return ask<long>("nvsim_pending", stream); }
  void delay(unsigned most_us, std::uint64_t seed) const {
    ask<void>("nvsim_set_delay", most_us, seed);
  }

 private:
  template <class Result, class... Args>
  Result ask(const char *name, Args... args) const {
    auto *call = find<Result(Args...)>(name);
    return call ? call(args...) : Result();
  }

  template <class Function>
  Function *find(const char *name) const {
    return library_ ? reinterpret_cast<Function *>(dlsym(library_, name)) : nullptr;
  }

  void *const library_ = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);  // never closed
  std::int64_t (*const counter_)(const char *) = find<std::int64_t(const char *)>("nvsim_counter");
  std::uint64_t (*const calls_)(const char *) = find<std::uint64_t(const char *)>("nvsim_calls");
};

}  // namespace cudacam::test
