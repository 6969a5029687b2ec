// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/missing.hpp"

#include "driver/seam.hpp"

namespace nvsim {

int missing_function(const char *name) noexcept {
  return api_call(name, kNoContext | kBeforeInit, [&](Call &) { return not_simulated(name); });
}

}  // namespace nvsim
