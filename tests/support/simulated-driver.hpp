// SPDX-License-Identifier: LGPL-2.1-or-later
/// The simulated driver's controls and counters, where this process runs on it; nvsim's README.md
/// names the counters.
#pragma once

#include <dlfcn.h>
#include <nvsim/nvsim.h>

#include <cstdint>
#include <string>

namespace cudacam::test {

class SimulatedDriver {
 public:
  /// Whether this process runs on it (on none and on a real one all counters are 0, and only these
  /// may be called).
  explicit operator bool() const { return counter_ != nullptr; }
  std::int64_t counter(const char *name) const { return counter_ ? counter_(name) : 0; }
  std::uint64_t calls(const char *function) const { return calls_ ? calls_(function) : 0; }

  void hold_all(bool hold) const { control<decltype(nvsim_hold_all)>("nvsim_hold_all")(hold); }
  void hold(void *stream, bool hold) const {
    control<decltype(nvsim_hold)>("nvsim_hold")(stream, hold);
  }
  /// How many of `count` operations the held stream did.
  int step(void *stream, unsigned count) const {
    return control<decltype(nvsim_step)>("nvsim_step")(stream, count);
  }
  /// Operations that the stream has yet to do.
  long pending(void *stream) const {
    return control<decltype(nvsim_pending)>("nvsim_pending")(stream);
  }
  void delay(unsigned most_us, std::uint64_t seed) const {
    control<decltype(nvsim_set_delay)>("nvsim_set_delay")(most_us, seed);
  }
  /// Whether the rule was understood.
  bool fault(const std::string &rule) const {
    return control<decltype(nvsim_fault_add)>("nvsim_fault_add")(rule.c_str()) == 0;
  }
  void clear_faults() const { control<decltype(nvsim_fault_clear)>("nvsim_fault_clear")(); }
  void set_error(int code) const { control<decltype(nvsim_set_error)>("nvsim_set_error")(code); }

  unsigned violations() const { return control<decltype(nvsim_violations)>("nvsim_violations")(); }
  /// What was reported; forgets it.
  std::string take_report() const {
    std::string text(1 << 16, '\0');
    text.resize(control<decltype(nvsim_report)>("nvsim_report")(text.data(), text.size()));
    control<decltype(nvsim_report_clear)>("nvsim_report_clear")();
    return text;
  }

 private:
  template <class Function>
  Function *control(const char *name) const {
    return reinterpret_cast<Function *>(dlsym(library_, name));
  }

  void *const library_ = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);  // never closed
  decltype(&nvsim_counter) const counter_ =
      library_ ? control<decltype(nvsim_counter)>("nvsim_counter") : nullptr;
  decltype(&nvsim_calls) const calls_ =
      library_ ? control<decltype(nvsim_calls)>("nvsim_calls") : nullptr;
};

}  // namespace cudacam::test
