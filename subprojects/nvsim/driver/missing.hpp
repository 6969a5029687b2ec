// SPDX-License-Identifier: LGPL-2.1-or-later
//
// For the generated list of functions that are not simulated. Knows no cuda.h: there the same names
// have arguments.
#pragma once

namespace nvsim {

// Reports the name; the code of CUDA_ERROR_NOT_SUPPORTED.
int missing_function(const char *name) noexcept;

}  // namespace nvsim

#define NVSIM_MISSING(NAME)                                          \
  extern "C" __attribute__((visibility("default"))) int NAME(void) { \
    return nvsim::missing_function(#NAME);                           \
  }
