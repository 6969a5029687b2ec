// SPDX-License-Identifier: LGPL-2.1-or-later
/// The driver as an application calls it that links to nothing of NVIDIA's.
#pragma once

#include <cuda.h>
#include <dlfcn.h>

#include <string>

#include "cuda-failure.hpp"

namespace cudacam::test {

template <class Function>
class CudaCall {
 public:
  CudaCall(void *library, const char *name)
      : name_(name), function_(reinterpret_cast<Function *>(dlsym(library, name))) {
    if (!function_) throw CudaFailure(std::string("the driver has no ") + name);
  }
  template <class... Args>
  void operator()(Args... args) const {
    if (const CUresult result = function_(args...); result != CUDA_SUCCESS)
      throw CudaFailure(std::string(name_) + " failed with " + std::to_string(result));
  }
  template <class... Args>
  CUresult quiet(Args... args) const noexcept {
    return function_(args...);
  }

 private:
  const char *name_;
  Function *function_;
};

// Through cuda.h's macros, so that each name is the version of the call that the header declares.
#define TEST_CUDA_TEXT(name) #name
#define TEST_CUDA_CALL(name)        \
  CudaCall<decltype(::name)> name { \
    library, TEST_CUDA_TEXT(name)   \
  }

struct CudaApi {
  void *library;
  TEST_CUDA_CALL(cuLaunchKernel);
  TEST_CUDA_CALL(cuMemAlloc);
  TEST_CUDA_CALL(cuMemAllocPitch);
  TEST_CUDA_CALL(cuMemFree);
  TEST_CUDA_CALL(cuMemcpy2DAsync);
  TEST_CUDA_CALL(cuMemcpyDtoHAsync);
  TEST_CUDA_CALL(cuMemsetD8Async);
  TEST_CUDA_CALL(cuModuleGetFunction);
  TEST_CUDA_CALL(cuModuleLoad);
  TEST_CUDA_CALL(cuModuleUnload);
  TEST_CUDA_CALL(cuStreamCreate);
  TEST_CUDA_CALL(cuStreamDestroy);
  TEST_CUDA_CALL(cuStreamSynchronize);
};

inline const CudaApi &cuda() {
  static const CudaApi api = [] {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);  // never closed
    if (!library) throw CudaFailure("there is no libcuda.so.1");
    return CudaApi{library};
  }();
  return api;
}

}  // namespace cudacam::test
