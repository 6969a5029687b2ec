// SPDX-License-Identifier: LGPL-2.1-or-later
//
// OpenGL interop: the driver has no OpenGL devices, so programs do not go on to try.
#include "driver/driver.hpp"

using nvsim::api_call;
using nvsim::Call;

NVSIM_API CUresult cuGLGetDevices_v2(unsigned *count, CUdevice *, unsigned, int) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    if (count) *count = 0;
  });
}
