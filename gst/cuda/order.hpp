// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cuda.h>

namespace cudacam {

/// Makes what is queued on `later` from now on wait, on the GPU, for what is queued on `earlier` up
/// to now. Streams of any context and device. Throws CudaError. Any thread.
void order(CUstream earlier, CUstream later);

}  // namespace cudacam
