// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/kernel-image.hpp"

#ifdef HAVE_CUDA_KERNELS
extern "C" const unsigned long long cudacam_kernels[];  // made by nvcc and bin2c
#endif

namespace cudacam {

const void *kernel_image() {
#ifdef HAVE_CUDA_KERNELS
  return cudacam_kernels;
#else
  return nullptr;
#endif
}

}  // namespace cudacam
