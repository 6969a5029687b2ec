// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Contexts: created, primary, the stack of each thread, peer access.
#include <algorithm>

#include "driver/driver.hpp"

using nvsim::api_call;
using nvsim::Call;
using nvsim::Context;
using nvsim::Driver;
using nvsim::Lock;

namespace nvsim {
namespace {

Device &device_at(Driver &driver, CUdevice ordinal) {
  if (ordinal < 0 || static_cast<std::size_t>(ordinal) >= driver.devices.size())
    throw Error{CUDA_ERROR_INVALID_DEVICE};
  return driver.devices[static_cast<std::size_t>(ordinal)];
}

CUresult create(CUcontext *handle, unsigned flags, CUdevice ordinal) {
  if (!handle) return CUDA_ERROR_INVALID_VALUE;
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  device_at(driver, ordinal);
  std::shared_ptr<Context> context = driver.create_context(ordinal, flags, false);
  *handle = context->handle();
  this_thread().contexts.push_back(std::move(context));
  return CUDA_SUCCESS;
}

void set_current(CUcontext handle) {
  auto &contexts = this_thread().contexts;
  std::shared_ptr<Context> context = handle ? context_of(handle) : nullptr;
  if (!contexts.empty()) contexts.pop_back();
  if (context) contexts.push_back(std::move(context));
}

}  // namespace
}  // namespace nvsim

NVSIM_API CUresult cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device) {
  return api_call(__func__, nvsim::kNoContext,
                  [&](Call &) { return nvsim::create(context, flags, device); });
}

NVSIM_API CUresult cuCtxCreate_v3(CUcontext *context, CUexecAffinityParam *affinities, int count,
                                  unsigned flags, CUdevice device) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    if (affinities || count) return nvsim::not_simulated("execution affinity of cuCtxCreate_v3");
    return nvsim::create(context, flags, device);
  });
}

#if CUDA_VERSION >= 12050
NVSIM_API CUresult cuCtxCreate_v4(CUcontext *context, CUctxCreateParams *parameters, unsigned flags,
                                  CUdevice device) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    if (parameters && (parameters->execAffinityParams || parameters->cigParams))
      return nvsim::not_simulated("parameters of cuCtxCreate_v4");
    return nvsim::create(context, flags, device);
  });
}
#endif

NVSIM_API CUresult cuCtxDestroy_v2(CUcontext handle) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    const std::shared_ptr<Context> context = nvsim::context_of(handle);
    if (context->primary()) return CUDA_ERROR_INVALID_CONTEXT;
    Driver &driver = Driver::get();
    Lock lock(driver.mutex);
    driver.destroy_context(lock, context);
    // Measured: succeeds after a failure, too. Current here, it is popped; other threads find out
    // at their next call.
    auto &contexts = nvsim::this_thread().contexts;
    if (!contexts.empty() && contexts.back() == context) contexts.pop_back();
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuCtxPushCurrent_v2(CUcontext handle) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    nvsim::this_thread().contexts.push_back(nvsim::context_of(handle));
  });
}

NVSIM_API CUresult cuCtxPopCurrent_v2(CUcontext *handle) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    auto &contexts = nvsim::this_thread().contexts;
    if (contexts.empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (handle) *handle = contexts.back()->handle();
    contexts.pop_back();
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuCtxSetCurrent(CUcontext handle) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError,
                  [&](Call &) { nvsim::set_current(handle); });
}

NVSIM_API CUresult cuCtxGetCurrent(CUcontext *handle) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &call) {
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    *handle = call.context() ? call.context()->handle() : nullptr;
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuCtxGetDevice(CUdevice *device) {
  return api_call(__func__, nvsim::kAfterError, [&](Call &call) {
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    *device = call.context()->device();
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuCtxGetFlags(unsigned *flags) {
  return api_call(__func__, nvsim::kAfterError, [&](Call &call) {
    if (!flags) return CUDA_ERROR_INVALID_VALUE;
    *flags = call.context()->flags();
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuCtxGetId(CUcontext handle, unsigned long long *id) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &call) {
    const auto context = handle ? nvsim::context_of(handle) : call.context();
    if (!id || !context) return CUDA_ERROR_INVALID_CONTEXT;
    *id = context->number();
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuCtxGetApiVersion(CUcontext handle, unsigned *version) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    nvsim::context_of(handle);
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = 3020;
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuCtxSynchronize(void) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    Driver &driver = Driver::get();
    Lock lock(driver.mutex);
    driver.wait_for_context(lock, *call.context());
    return driver.error();
  });
}

NVSIM_API CUresult cuCtxSetLimit(CUlimit limit, std::size_t value) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    const Lock lock(Driver::get().mutex);
    call.context()->limits[limit] = value;
  });
}
NVSIM_API CUresult cuCtxGetLimit(std::size_t *value, CUlimit limit) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    constexpr std::size_t kStackOfAThread = 1024;
    const Lock lock(Driver::get().mutex);
    *value = call.context()->limits.emplace(limit, kStackOfAThread).first->second;
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &) {
    if (least) *least = 0;
    if (greatest) *greatest = -5;
  });
}

NVSIM_API CUresult cuCtxEnablePeerAccess(CUcontext peer_handle, unsigned flags) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    const std::shared_ptr<Context> peer = nvsim::context_of(peer_handle);
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    Context &context = *call.context();
    if (peer.get() == &context) return CUDA_ERROR_INVALID_CONTEXT;
    const auto &peers = driver.devices[static_cast<std::size_t>(context.device())].peers;
    if (peer->device() != context.device() && !peers[static_cast<std::size_t>(peer->device())])
      return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
    return context.peers.insert(peer->number()).second ? CUDA_SUCCESS
                                                       : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
  });
}

NVSIM_API CUresult cuCtxDisablePeerAccess(CUcontext peer_handle) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    const std::shared_ptr<Context> peer = nvsim::context_of(peer_handle);
    const Lock lock(Driver::get().mutex);
    return call.context()->peers.erase(peer->number()) ? CUDA_SUCCESS
                                                       : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
  });
}

// --- Primary contexts ----------------------------------------------------------------------

NVSIM_API CUresult cuDevicePrimaryCtxRetain(CUcontext *handle, CUdevice ordinal) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    nvsim::Device &device = nvsim::device_at(driver, ordinal);
    // Measured: after a failure an active one is still given out, a new one is not made.
    if (!device.primary && driver.error() != CUDA_SUCCESS) return driver.error();
    if (!device.primary)
      device.primary = driver.create_context(ordinal, device.primary_flags, true);
    ++device.primary_references;
    *handle = device.primary->handle();
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice ordinal) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    Driver &driver = Driver::get();
    Lock lock(driver.mutex);
    nvsim::Device &device = nvsim::device_at(driver, ordinal);
    if (device.primary_references == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--device.primary_references > 0) return CUDA_SUCCESS;
    const std::shared_ptr<Context> primary = std::move(device.primary);
    device.primary = nullptr;
    driver.destroy_context(lock, primary);
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuDevicePrimaryCtxReset_v2(CUdevice ordinal) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    Driver &driver = Driver::get();
    Lock lock(driver.mutex);
    nvsim::Device &device = nvsim::device_at(driver, ordinal);
    device.primary_references = 0;
    if (const std::shared_ptr<Context> primary = std::exchange(device.primary, nullptr))
      driver.destroy_context(lock, primary);
    return driver.error();
  });
}

NVSIM_API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice ordinal, unsigned flags) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    nvsim::Device &device = nvsim::device_at(driver, ordinal);
    device.primary_flags = flags;
    if (device.primary) device.primary->set_flags(flags);
  });
}

NVSIM_API CUresult cuDevicePrimaryCtxGetState(CUdevice ordinal, unsigned *flags, int *active) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    const nvsim::Device &device = nvsim::device_at(driver, ordinal);
    if (flags) *flags = device.primary_flags;
    if (active) *active = device.primary != nullptr;
  });
}
