// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The calibration's kernels, whose PTX is in probe.cpp, for nvsim.
#include "nvsim/kernel.hpp"

extern "C" __global__ void poke(unsigned char *address) {
  *address = 1;
}

extern "C" __global__ void spin(const volatile unsigned *flag) {
  while (*flag == 0) {
  }
}

NVSIM_KERNEL_WITH(poke, [](auto &v, auto &address) { v.writes(address, 1, 1, 1); })
NVSIM_KERNEL(spin)
NVSIM_MODULE()
