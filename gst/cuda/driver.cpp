// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/driver.hpp"

#include <dlfcn.h>

#include <atomic>

#define GST_CAT_DEFAULT cudacam::cuda_category()

namespace cudacam {
namespace {

std::atomic<const CudaFailure *> first_process_error{nullptr};

/// Errors that leave every context of the process unusable.
bool poisons_process(CUresult code) {
  switch (static_cast<int>(code)) {
    case 226:  // CUDA_ERROR_CONTAINED, not in older headers
    case 721:  // CUDA_ERROR_TENSOR_MEMORY_LEAK, from CUDA 12.8 on
    case 810:  // CUDA_ERROR_MPS_CLIENT_TERMINATED, from CUDA 11.8 on
    case 911:  // CUDA_ERROR_EXTERNAL_DEVICE, not in older headers
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
      return true;
    default:
      return false;
  }
}

void *library() {
  static void *const handle = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return handle;
}

/// Names and describes a result; asks the driver itself, which knows codes newer than our headers.
std::string describe(CUresult code) {
  using Ask = CUresult(CUresult, const char **);
  const auto ask = [&](const char *call) -> const char * {
    auto *function = library() ? reinterpret_cast<Ask *>(dlsym(library(), call)) : nullptr;
    const char *text = nullptr;
    return function && function(code, &text) == CUDA_SUCCESS ? text : nullptr;
  };
  const char *name = ask("cuGetErrorName");
  const char *text = ask("cuGetErrorString");
  return (name ? name : "CUDA error " + std::to_string(code)) +
         (text ? " (" + std::string(text) + ")" : "");
}

template <class Function>
void resolve(Function *&function, const char *name, bool needed = true) {
  function = reinterpret_cast<Function *>(dlsym(library(), name));
  if (!function && needed)
    throw std::runtime_error(std::string("the NVIDIA driver has no ") + name);
}

}  // namespace

CudaError::CudaError(const CudaFailure &failure)
    : std::runtime_error(std::string(failure.call) + ": " + describe(failure.code)),
      code_(failure.code) {
}

GstDebugCategory *cuda_category() {
  static auto *const category = [] {
    GstDebugCategory *made = nullptr;
    GST_DEBUG_CATEGORY_INIT(made, "cudacam-cuda", 0, "calls into the NVIDIA driver");
    return made;
  }();
  return category;
}

const CudaFailure *process_error() {
  return first_process_error.load(std::memory_order_acquire);
}

void expect_working_process() {
  if (const auto *error = process_error()) throw CudaError(*error);
}

void detail::note_failure(const char *call, CUresult code) {
  if (!poisons_process(code)) {
    GST_INFO("%s: %s", call, describe(code).c_str());
    return;
  }
  const CudaFailure *none = nullptr;
  const auto *failure = new CudaFailure{call, code};  // lives as long as the process
  if (first_process_error.compare_exchange_strong(none, failure, std::memory_order_acq_rel))
    GST_ERROR("%s: %s: this process can use no GPU any more", call, describe(code).c_str());
  else
    delete failure;
}

Driver::Driver() {
  if (!library())
    throw std::runtime_error(std::string("no NVIDIA driver on this host: ") + dlerror());
#define CUDACAM_RESOLVE(name) resolve(name.function_, name.symbol_);
  CUDACAM_DRIVER_CALLS(CUDACAM_RESOLVE)
#undef CUDACAM_RESOLVE
  resolve(cuCtxGetId.function_, cuCtxGetId.symbol_, false);
}

const Driver &driver() {
  static const Driver table;
  return table;
}

}  // namespace cudacam
