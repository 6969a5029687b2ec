// SPDX-License-Identifier: LGPL-2.1-or-later
/// Whether the GPU of this process is real. subprojects/nvsim stands in for the driver where the
/// program was started with it; nothing here decides that.
#pragma once

#include <cstdint>

namespace cudacam::test {

bool gpu_is_simulated();

/// What the simulated driver objected to so far; 0 on a real one.
unsigned simulated_violations();

/// One of the counters that nvsim's README.md names; 0 on a real driver.
std::int64_t simulated_counter(const char *name);

/// From now on no decoder of NVIDIA's is found in this process: software decodes, and frames are in
/// system memory. After gst_init().
void do_without_gpu();

}  // namespace cudacam::test
