// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Device memory, pinned host memory, and what a pointer is.
#include "driver/driver.hpp"

using nvsim::Allocation;
using nvsim::api_call;
using nvsim::Call;
using nvsim::Driver;
using nvsim::Lock;

namespace nvsim {
namespace {

CUresult not_freeable(CUdeviceptr address, const char *why) {
  const std::string what = Driver::get().memory.describe(address);
  violation("free of %#llx, which %s: %s", static_cast<unsigned long long>(address), why,
            what.c_str());
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult free_device(CUdeviceptr address) {
  if (!address) return CUDA_SUCCESS;
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  for (bool waited : {false, true}) {
    Allocation *allocation = driver.memory.live_at(address);
    if (!allocation || allocation->base != address)
      return not_freeable(address, "is not the start of live memory");
    if (allocation->kind != Allocation::Kind::device || allocation->owner != Owner::program)
      return not_freeable(address, "cuMemFree does not own");
    if (waited)
      driver.end_allocation(*allocation, here());
    else
      driver.wait_for_work_of(lock, *allocation);
  }
  return driver.error();
}

CUresult allocate_pinned(Call &call, void **out, std::size_t size) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = nullptr;
  if (size == 0) return CUDA_SUCCESS;  // measured
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  Allocation &allocation = driver.memory.allocate_pinned(size, "pinned host memory");
  allocation.context = call.context();
  driver.counters.count("pinned.allocated", 1);
  driver.counters.count("pinned.live", 1);
  *out = reinterpret_cast<void *>(allocation.base);
  return CUDA_SUCCESS;
}

CUresult end_host(void *pointer, Allocation::Kind kind) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const auto address = reinterpret_cast<CUdeviceptr>(pointer);
  for (bool waited : {false, true}) {
    Allocation *allocation = driver.memory.live_at(address);
    if (!allocation || allocation->base != address || allocation->kind != kind)
      return not_freeable(address, "is not the start of such host memory");
    if (waited) {
      if (kind == Allocation::Kind::pinned) driver.counters.count("pinned.live", -1);
      driver.end_allocation(*allocation, here());
    } else {
      driver.wait_for_work_of(lock, *allocation);
    }
  }
  return driver.error();
}

CUresult pointer_attribute(void *data, CUpointer_attribute attribute, CUdeviceptr address) {
  if (!data) return CUDA_ERROR_INVALID_VALUE;
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  Allocation *allocation = driver.memory.live_at(address);
  if (!allocation) return CUDA_ERROR_INVALID_VALUE;
  const std::shared_ptr<Context> context = allocation->context.lock();
  auto put = [&](auto value) {
    *static_cast<decltype(value) *>(data) = value;
    return CUDA_SUCCESS;
  };
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      return put(context ? context->handle() : nullptr);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      return put(unsigned{allocation->on_host() ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE});
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      return put(address);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      if (!allocation->on_host()) return CUDA_ERROR_INVALID_VALUE;
      return put(reinterpret_cast<void *>(address));
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      return put(context ? context->device() : allocation->device);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      return put(allocation->base);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      return put(allocation->size);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      return put(static_cast<unsigned long long>(allocation->number));
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      return put(0u);
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
      return put(allocation->kind == Allocation::Kind::device ? 1u : 0u);
    case CU_POINTER_ATTRIBUTE_MAPPED:
      return put(1u);
    default:
      return not_simulated("this attribute of cuPointerGetAttribute");
  }
}

}  // namespace
}  // namespace nvsim

NVSIM_API CUresult cuMemAlloc_v2(CUdeviceptr *address, std::size_t size) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    if (!address) return CUDA_ERROR_INVALID_VALUE;
    *address = nvsim::allocate(call.context(), size, "cuMemAlloc", nvsim::Owner::program);
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemAllocPitch_v2(CUdeviceptr *address, std::size_t *pitch, std::size_t width,
                                      std::size_t height, unsigned element_size) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    const bool element_ok = element_size == 4 || element_size == 8 || element_size == 16;
    if (!address || !pitch || !width || !height || !element_ok) return CUDA_ERROR_INVALID_VALUE;
    *pitch = nvsim::pitch_for(width);
    if (*pitch < width || height > SIZE_MAX / *pitch) return CUDA_ERROR_INVALID_VALUE;
    *address =
        nvsim::allocate(call.context(), *pitch * height, "cuMemAllocPitch", nvsim::Owner::program);
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemFree_v2(CUdeviceptr address) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) { return nvsim::free_device(address); });
}

NVSIM_API CUresult cuMemGetInfo_v2(std::size_t *available, std::size_t *total) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    const auto &device = driver.devices[static_cast<std::size_t>(call.context()->device())];
    if (available) *available = device.limit > device.used ? device.limit - device.used : 0;
    if (total) *total = device.limit;
  });
}

NVSIM_API CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, std::size_t *size,
                                           CUdeviceptr address) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &) {
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    const Allocation *allocation = driver.memory.live_at(address);
    if (!allocation || allocation->on_host()) return CUDA_ERROR_NOT_FOUND;
    if (base) *base = allocation->base;
    if (size) *size = allocation->size;
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemAllocManaged(CUdeviceptr *, std::size_t, unsigned) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &) { return nvsim::not_simulated("managed memory"); });
}

// --- Pinned host memory --------------------------------------------------------------------

NVSIM_API CUresult cuMemAllocHost_v2(void **out, std::size_t size) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &call) { return nvsim::allocate_pinned(call, out, size); });
}

NVSIM_API CUresult cuMemHostAlloc(void **out, std::size_t size, unsigned flags) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    constexpr unsigned known =
        CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
    if (flags & ~known) return CUDA_ERROR_INVALID_VALUE;
    return nvsim::allocate_pinned(call, out, size);
  });
}

NVSIM_API CUresult cuMemFreeHost(void *pointer) {
  return api_call(__func__, nvsim::kNoContext,
                  [&](Call &) { return nvsim::end_host(pointer, Allocation::Kind::pinned); });
}

NVSIM_API CUresult cuMemHostRegister_v2(void *pointer, std::size_t size, unsigned flags) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    if (!pointer || !size) return CUDA_ERROR_INVALID_VALUE;
    constexpr unsigned known = CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP;
    if (flags & ~known) return nvsim::not_simulated("this flag of cuMemHostRegister");
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    const auto address = reinterpret_cast<CUdeviceptr>(pointer);
    if (driver.memory.live_at(address) || driver.memory.live_at(address + size - 1))
      return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    Allocation allocation;
    allocation.kind = Allocation::Kind::registered;
    allocation.device = -1;
    allocation.base = address;
    allocation.size = size;
    allocation.tag = "registered host memory";
    allocation.context = call.context();
    driver.memory.adopt(std::move(allocation));
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemHostUnregister(void *pointer) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &) { return nvsim::end_host(pointer, Allocation::Kind::registered); });
}

// One address space: the device uses the host's pointer.
NVSIM_API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *address, void *pointer,
                                                unsigned flags) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &) {
    if (!address || flags) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    const auto host = reinterpret_cast<CUdeviceptr>(pointer);
    const Allocation *allocation = driver.memory.live_at(host);
    if (!allocation || !allocation->on_host()) return CUDA_ERROR_INVALID_VALUE;
    *address = host;
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute,
                                         CUdeviceptr address) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError,
                  [&](Call &) { return nvsim::pointer_attribute(data, attribute, address); });
}

NVSIM_API CUresult cuPointerGetAttributes(unsigned count, CUpointer_attribute *attributes,
                                          void **data, CUdeviceptr address) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    if (!attributes || !data) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < count; ++i) {
      const CUresult result = nvsim::pointer_attribute(data[i], attributes[i], address);
      if (result != CUDA_SUCCESS) return result;
    }
    return CUDA_SUCCESS;
  });
}
