// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Copies and fills of rectangles, between any two of device, pinned and pageable memory.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "driver/seam.hpp"

namespace nvsim {

enum class Wait {
  blocking,  // the call returns when the copy is done, as far as the host's memory is concerned
  async,
};

// Arrays are not simulated. Throws Error.
CUresult copy_2d(Call &call, const CUDA_MEMCPY2D &copy, CUstream stream, Wait wait);

// One row. CU_MEMORYTYPE_UNIFIED: the kind of memory is told from the address.
struct Place {
  CUmemorytype type = CU_MEMORYTYPE_UNIFIED;
  CUdeviceptr address = 0;
};
inline Place on_device(CUdeviceptr address) {
  return {CU_MEMORYTYPE_DEVICE, address};
}
inline Place on_host(const void *address) {
  return {CU_MEMORYTYPE_HOST, reinterpret_cast<CUdeviceptr>(address)};
}
inline Place anywhere(CUdeviceptr address) {
  return {CU_MEMORYTYPE_UNIFIED, address};
}
CUresult copy_1d(Call &call, Place destination, Place source, std::size_t bytes, CUstream stream,
                 Wait wait);

// `element` is 1, 2 or 4 bytes of `value`; `width` counts elements, `pitch` bytes.
CUresult fill_2d(Call &call, CUdeviceptr destination, std::size_t pitch, std::uint32_t value,
                 std::size_t element, std::size_t width, std::size_t height, CUstream stream);

}  // namespace nvsim
