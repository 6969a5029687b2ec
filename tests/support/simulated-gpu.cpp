// SPDX-License-Identifier: LGPL-2.1-or-later
#include "simulated-gpu.hpp"

#include <dlfcn.h>
#include <gst/gst.h>

#include <initializer_list>

#include "base/ptr.hpp"

namespace cudacam::test {
namespace {

/// A function of nvsim.h; null on a real driver and without one.
template <class Function>
Function *find(const char *name) {
  static void *const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return driver ? reinterpret_cast<Function *>(dlsym(driver, name)) : nullptr;
}

}  // namespace

bool gpu_is_simulated() {
  return find<unsigned()>("nvsim_violations") != nullptr;
}

unsigned simulated_violations() {
  const auto violations = find<unsigned()>("nvsim_violations");
  return violations ? violations() : 0;
}

std::int64_t simulated_counter(const char *name) {
  const auto counter = find<std::int64_t(const char *)>("nvsim_counter");
  return counter ? counter(name) : 0;
}

void do_without_gpu() {
  for (const char *name : {"nvh264dec", "nvh265dec"}) {
    const auto feature = adopt(gst_registry_lookup_feature(gst_registry_get(), name));
    if (feature) gst_registry_remove_feature(gst_registry_get(), feature.get());
  }
}

}  // namespace cudacam::test
