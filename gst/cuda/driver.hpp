// SPDX-License-Identifier: LGPL-2.1-or-later
/// The NVIDIA driver's API, loaded at run time, every call checked in one place.
///
/// `driver().cuMemcpy2DAsync(...)` throws CudaError when the call fails; `driver().cuX.quiet(...)`
/// is for destructors: it logs and never throws. An error that poisons the process (an illegal
/// address, say: afterwards every context answers with it) is remembered, and no further call
/// reaches the driver.
#pragma once

#include <cuda.h>
#include <gst/gst.h>

#include <stdexcept>
#include <string>

namespace cudacam {

/// A call that went wrong; names live as long as the process.
struct CudaFailure {
  const char *call;
  CUresult code;
};

class CudaError : public std::runtime_error {
 public:
  explicit CudaError(const CudaFailure &failure);
  CUresult code() const { return code_; }

 private:
  CUresult code_;
};

/// "cudacam-cuda": what this folder logs to.
GstDebugCategory *cuda_category();

/// The first error after which the driver can do nothing for this process, or null. Any thread.
const CudaFailure *process_error();
/// Throws that error, if there was one.
void expect_working_process();

namespace detail {
/// Logs, and remembers `code` when it poisons the process.
void note_failure(const char *call, CUresult code);
}  // namespace detail

/// One function of the driver.
template <class Function>
class DriverCall {
 public:
  /// `name` is for people, `symbol` names the version of it that our headers mean.
  constexpr DriverCall(const char *name, const char *symbol) : name_(name), symbol_(symbol) {}

  template <class... Args>
  void operator()(Args... args) const {
    const auto result = quiet(args...);
    if (result != CUDA_SUCCESS) throw_failure(result);
  }

  template <class... Args>
  CUresult quiet(Args... args) const noexcept {
    if (const auto *before = process_error()) return before->code;
    const auto result = function_(args...);
    if (result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY)
      detail::note_failure(name_, result);
    return result;
  }

  /// Throws for a result that quiet() gave.
  [[noreturn]] void throw_failure(CUresult result) const {
    expect_working_process();  // the first error, whose consequence this one may be
    throw CudaError({name_, result});
  }

  /// Whether the driver has the function; only the ones that came after CUDA 11 may be missing.
  bool available() const { return function_; }

 private:
  friend class Driver;
  const char *name_;
  const char *symbol_;
  Function *function_ = nullptr;
};

// The names pass through cuda.h's macros, so that each means the version of the call that the
// headers declare (cuMemcpy2DAsync is cuMemcpy2DAsync_v2).
#define CUDACAM_DRIVER_CALLS(X)    \
  X(cuCtxEnablePeerAccess)         \
  X(cuCtxGetDevice)                \
  X(cuCtxPopCurrent)               \
  X(cuCtxPushCurrent)              \
  X(cuCtxSynchronize)              \
  X(cuDeviceGet)                   \
  X(cuDeviceGetAttribute)          \
  X(cuDevicePrimaryCtxRelease)     \
  X(cuDevicePrimaryCtxRetain)      \
  X(cuEventCreate)                 \
  X(cuEventDestroy)                \
  X(cuEventQuery)                  \
  X(cuEventRecord)                 \
  X(cuEventSynchronize)            \
  X(cuInit)                        \
  X(cuLaunchHostFunc)              \
  X(cuLaunchKernel)                \
  X(cuMemAddressFree)              \
  X(cuMemAddressReserve)           \
  X(cuMemAlloc)                    \
  X(cuMemAllocHost)                \
  X(cuMemCreate)                   \
  X(cuMemFree)                     \
  X(cuMemFreeHost)                 \
  X(cuMemGetAllocationGranularity) \
  X(cuMemGetInfo)                  \
  X(cuMemMap)                      \
  X(cuMemRelease)                  \
  X(cuMemSetAccess)                \
  X(cuMemUnmap)                    \
  X(cuMemcpy2DAsync)               \
  X(cuMemcpyDtoD)                  \
  X(cuMemcpyDtoH)                  \
  X(cuMemcpyHtoD)                  \
  X(cuModuleGetFunction)           \
  X(cuModuleLoadData)              \
  X(cuModuleUnload)                \
  X(cuStreamCreate)                \
  X(cuStreamDestroy)               \
  X(cuStreamGetCtx)                \
  X(cuStreamQuery)                 \
  X(cuStreamSynchronize)           \
  X(cuStreamWaitEvent)

#define CUDACAM_STRING(name) #name
#define CUDACAM_DECLARE(name) DriverCall<decltype(::name)> name{#name, CUDACAM_STRING(name)};

class Driver {
 public:
  CUDACAM_DRIVER_CALLS(CUDACAM_DECLARE)
  /// A number that no other context of the process ever had. From CUDA 12 on, headers included.
  DriverCall<CUresult(CUcontext, unsigned long long *)> cuCtxGetId{"cuCtxGetId", "cuCtxGetId"};

 private:
  friend const Driver &driver();
  Driver();
};

/// Loads libcuda.so.1 at the first call. Throws std::runtime_error when the host has no driver or
/// one without a function that is needed.
const Driver &driver();

}  // namespace cudacam
