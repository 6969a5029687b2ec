// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Copies and fills. They need no current context where the stream is named: measured.
#include "driver/copy.hpp"

#include "driver/driver.hpp"

using nvsim::anywhere;
using nvsim::api_call;
using nvsim::Call;
using nvsim::kNoContext;
using nvsim::on_device;
using nvsim::on_host;
using nvsim::Wait;

NVSIM_API CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *copy) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    if (!copy) return CUDA_ERROR_INVALID_VALUE;
    return nvsim::copy_2d(call, *copy, nullptr, Wait::blocking);
  });
}

NVSIM_API CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *copy) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    if (!copy) return CUDA_ERROR_INVALID_VALUE;
    return nvsim::copy_2d(call, *copy, nullptr, Wait::blocking);
  });
}

NVSIM_API CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *copy, CUstream stream) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    if (!copy) return CUDA_ERROR_INVALID_VALUE;
    return nvsim::copy_2d(call, *copy, stream, Wait::async);
  });
}

NVSIM_API CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *) {
  return api_call(__func__, kNoContext, [&](Call &) { return nvsim::not_simulated("cuMemcpy3D"); });
}
NVSIM_API CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *, CUstream) {
  return api_call(__func__, kNoContext,
                  [&](Call &) { return nvsim::not_simulated("cuMemcpy3DAsync"); });
}

// --- One row -------------------------------------------------------------------------------

NVSIM_API CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    return nvsim::copy_1d(call, anywhere(to), anywhere(from), bytes, nullptr, Wait::blocking);
  });
}
NVSIM_API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                                 CUstream stream) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    return nvsim::copy_1d(call, anywhere(to), anywhere(from), bytes, stream, Wait::async);
  });
}

NVSIM_API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, std::size_t bytes) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    return nvsim::copy_1d(call, on_device(to), on_host(from), bytes, nullptr, Wait::blocking);
  });
}
NVSIM_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, std::size_t bytes,
                                        CUstream stream) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    return nvsim::copy_1d(call, on_device(to), on_host(from), bytes, stream, Wait::async);
  });
}

NVSIM_API CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, std::size_t bytes) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    return nvsim::copy_1d(call, on_host(to), on_device(from), bytes, nullptr, Wait::blocking);
  });
}
NVSIM_API CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, std::size_t bytes,
                                        CUstream stream) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    return nvsim::copy_1d(call, on_host(to), on_device(from), bytes, stream, Wait::async);
  });
}

NVSIM_API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    return nvsim::copy_1d(call, on_device(to), on_device(from), bytes, nullptr, Wait::blocking);
  });
}
NVSIM_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                                        CUstream stream) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    return nvsim::copy_1d(call, on_device(to), on_device(from), bytes, stream, Wait::async);
  });
}

// One address space: the contexts are told by the pointers.
NVSIM_API CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from,
                                CUcontext from_context, std::size_t bytes) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    nvsim::context_of(to_context);
    nvsim::context_of(from_context);
    return nvsim::copy_1d(call, anywhere(to), anywhere(from), bytes, nullptr, Wait::blocking);
  });
}
NVSIM_API CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from,
                                     CUcontext from_context, std::size_t bytes, CUstream stream) {
  return api_call(__func__, kNoContext, [&](Call &call) {
    nvsim::context_of(to_context);
    nvsim::context_of(from_context);
    return nvsim::copy_1d(call, anywhere(to), anywhere(from), bytes, stream, Wait::async);
  });
}

// --- Fills ---------------------------------------------------------------------------------

#define NVSIM_FILL(BITS, TYPE)                                                               \
  NVSIM_API CUresult cuMemsetD##BITS##_v2(CUdeviceptr to, TYPE value, std::size_t count) {   \
    return api_call(__func__, kNoContext, [&](Call &call) {                                  \
      return nvsim::fill_2d(call, to, 0, value, sizeof(TYPE), count, 1, nullptr);            \
    });                                                                                      \
  }                                                                                          \
  NVSIM_API CUresult cuMemsetD##BITS##Async(CUdeviceptr to, TYPE value, std::size_t count,   \
                                            CUstream stream) {                               \
    return api_call(__func__, kNoContext, [&](Call &call) {                                  \
      return nvsim::fill_2d(call, to, 0, value, sizeof(TYPE), count, 1, stream);             \
    });                                                                                      \
  }                                                                                          \
  NVSIM_API CUresult cuMemsetD2D##BITS##_v2(CUdeviceptr to, std::size_t pitch, TYPE value,   \
                                            std::size_t width, std::size_t height) {         \
    return api_call(__func__, kNoContext, [&](Call &call) {                                  \
      return nvsim::fill_2d(call, to, pitch, value, sizeof(TYPE), width, height, nullptr);   \
    });                                                                                      \
  }                                                                                          \
  NVSIM_API CUresult cuMemsetD2D##BITS##Async(CUdeviceptr to, std::size_t pitch, TYPE value, \
                                              std::size_t width, std::size_t height,         \
                                              CUstream stream) {                             \
    return api_call(__func__, kNoContext, [&](Call &call) {                                  \
      return nvsim::fill_2d(call, to, pitch, value, sizeof(TYPE), width, height, stream);    \
    });                                                                                      \
  }

NVSIM_FILL(8, unsigned char)
NVSIM_FILL(16, unsigned short)
NVSIM_FILL(32, unsigned int)
