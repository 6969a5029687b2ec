// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace cudacam {

/// The kernels of this build, for cuModuleLoadData; null in a build without nvcc.
const void *kernel_image();

}  // namespace cudacam
