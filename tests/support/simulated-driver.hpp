// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the simulated driver has counted in this process; nvsim's README.md names the counters.
#pragma once

#include <dlfcn.h>
#include <nvsim/nvsim.h>

#include <cstdint>

namespace cudacam::test {

class SimulatedDriver {
 public:
  /// Whether this process runs on it (on none and on a real one all counters are 0).
  explicit operator bool() const { return counter_ != nullptr; }
  std::int64_t counter(const char *name) const { return counter_ ? counter_(name) : 0; }

 private:
  void *const library_ = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);  // never closed
  decltype(&nvsim_counter) const counter_ =
      library_ ? reinterpret_cast<decltype(&nvsim_counter)>(dlsym(library_, "nvsim_counter"))
               : nullptr;
};

}  // namespace cudacam::test
