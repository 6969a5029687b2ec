// SPDX-License-Identifier: LGPL-2.1-or-later
#include "simulated-gpu.hpp"

#include <dlfcn.h>
#include <gst/gst.h>

#include <initializer_list>

#include "base/ptr.hpp"

namespace cudacam::demo {
namespace {

using Violations = unsigned (*)();

/// nvsim_violations of nvsim.h; null on a real driver and without one.
Violations find_violations() {
  static void *const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return driver ? reinterpret_cast<Violations>(dlsym(driver, "nvsim_violations")) : nullptr;
}

}  // namespace

bool gpu_is_simulated() {
  return find_violations() != nullptr;
}

unsigned simulated_violations() {
  const Violations violations = find_violations();
  return violations ? violations() : 0;
}

void do_without_gpu() {
  for (const char *name : {"nvh264dec", "nvh265dec"}) {
    const auto feature = adopt(gst_registry_lookup_feature(gst_registry_get(), name));
    if (feature) gst_registry_remove_feature(gst_registry_get(), feature.get());
  }
}

}  // namespace cudacam::demo
