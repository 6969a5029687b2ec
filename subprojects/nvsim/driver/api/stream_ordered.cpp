// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Stream-ordered allocation, and the pools it names.
#include <map>

#include "driver/driver.hpp"

using nvsim::Allocation;
using nvsim::api_call;
using nvsim::Call;
using nvsim::Driver;
using nvsim::Lock;
using nvsim::MemoryPool;

namespace nvsim {

// Pools keep no memory here; attributes are remembered for the program.
struct MemoryPool {
  int device = 0;
  bool is_default = false;
  std::map<CUmemPool_attribute, std::uint64_t> attributes;
};

namespace {

CUresult allocate_in_order(Call &call, CUdeviceptr *address, std::size_t size,
                           CUstream stream_handle) {
  if (!address || !size) return CUDA_ERROR_INVALID_VALUE;
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const std::shared_ptr<Stream> stream = find_stream(lock, call, stream_handle);
  Allocation &allocation =
      driver.allocate(stream->context(), size, "cuMemAllocAsync", Owner::program);
  allocation.stream_ordered = true;
  *address = allocation.base;

  // Use that does not come after this, in the stream's order, races with it.
  Operation operation;
  operation.work.what = "cuMemAllocAsync";
  operation.work.accesses.push_back(writes(allocation.base, size, size, 1));
  operation.injected = call.take_async_fault();
  stream->submit(lock, std::move(operation));
  return CUDA_SUCCESS;
}

CUresult free_in_order(Call &call, CUdeviceptr address, CUstream stream_handle) {
  if (!address) return CUDA_ERROR_INVALID_VALUE;
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const std::shared_ptr<Stream> stream = find_stream(lock, call, stream_handle);
  Allocation *allocation = driver.memory.live_at(address);
  if (!allocation || allocation->base != address || allocation->ending ||
      allocation->kind != Allocation::Kind::device || allocation->owner != Owner::program) {
    const std::string what = driver.memory.describe(address);
    violation("cuMemFreeAsync of what is not the start of memory of the program's: %s",
              what.c_str());
    return CUDA_ERROR_INVALID_VALUE;
  }
  Operation operation;
  operation.work.what = "cuMemFreeAsync";
  operation.work.accesses.push_back(
      writes(allocation->base, allocation->size, allocation->size, 1));
  operation.injected = call.take_async_fault();
  operation.ends = address;
  allocation->ending = true;
  operation.ended_by = here();
  stream->submit(lock, std::move(operation));
  return CUDA_SUCCESS;
}

CUmemoryPool add_pool(Driver &driver, int device, bool is_default) {
  auto pool = std::make_shared<MemoryPool>();
  pool->device = device;
  pool->is_default = is_default;
  return driver.pools.add(std::move(pool));
}

std::shared_ptr<MemoryPool> pool_of(const Lock &, CUmemoryPool handle) {
  if (auto pool = Driver::get().pools.find(handle)) return pool;
  violation("%s with pool handle %p, which is not live", this_thread().call,
            static_cast<void *>(handle));
  throw Error{CUDA_ERROR_INVALID_VALUE};
}

Device &device_at(Driver &driver, CUdevice ordinal) {
  if (ordinal < 0 || static_cast<std::size_t>(ordinal) >= driver.devices.size())
    throw Error{CUDA_ERROR_INVALID_DEVICE};
  return driver.devices[static_cast<std::size_t>(ordinal)];
}

CUmemoryPool default_pool(Driver &driver, CUdevice ordinal) {
  Device &device = device_at(driver, ordinal);
  if (!device.default_pool) device.default_pool = add_pool(driver, ordinal, true);
  return device.default_pool;
}

// The first three are ints in the program's view, the others 64 bits.
bool is_int(CUmemPool_attribute attribute) {
  return attribute == CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES ||
         attribute == CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC ||
         attribute == CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES;
}

}  // namespace
}  // namespace nvsim

NVSIM_API CUresult cuMemAllocAsync(CUdeviceptr *address, std::size_t size, CUstream stream) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    return nvsim::allocate_in_order(call, address, size, stream);
  });
}

NVSIM_API CUresult cuMemAllocFromPoolAsync(CUdeviceptr *address, std::size_t size,
                                           CUmemoryPool handle, CUstream stream) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    {
      const Lock lock(Driver::get().mutex);
      if (nvsim::pool_of(lock, handle)->device != call.context()->device())
        return nvsim::not_simulated("allocation from a pool of another device");
    }
    return nvsim::allocate_in_order(call, address, size, stream);
  });
}

NVSIM_API CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  return api_call(__func__, nvsim::kNoContext,
                  [&](Call &call) { return nvsim::free_in_order(call, address, stream); });
}

NVSIM_API CUresult cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *properties) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    if (!pool || !properties) return CUDA_ERROR_INVALID_VALUE;
    if (properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
        properties->handleTypes != CU_MEM_HANDLE_TYPE_NONE)
      return nvsim::not_simulated("memory pools that are shared or not on a device");
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    nvsim::device_at(driver, properties->location.id);
    *pool = nvsim::add_pool(driver, properties->location.id, false);
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemPoolDestroy(CUmemoryPool pool) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    if (nvsim::pool_of(lock, pool)->is_default) return CUDA_ERROR_INVALID_VALUE;
    driver.pools.remove(pool);
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute,
                                         void *value) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    const Lock lock(Driver::get().mutex);
    nvsim::pool_of(lock, pool)->attributes[attribute] =
        nvsim::is_int(attribute) ? static_cast<std::uint64_t>(*static_cast<int *>(value))
                                 : *static_cast<std::uint64_t *>(value);
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute,
                                         void *value) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    const Lock lock(Driver::get().mutex);
    const std::uint64_t set = nvsim::pool_of(lock, pool)->attributes[attribute];
    if (nvsim::is_int(attribute))
      *static_cast<int *>(value) = static_cast<int>(set);
    else
      *static_cast<std::uint64_t *>(value) = set;
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemPoolTrimTo(CUmemoryPool pool, std::size_t) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    const Lock lock(Driver::get().mutex);
    nvsim::pool_of(lock, pool);
  });
}

NVSIM_API CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    if (!pool) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    *pool = nvsim::default_pool(driver, device);
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    if (!pool) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    const CUmemoryPool current = nvsim::device_at(driver, device).current_pool;
    *pool = current ? current : nvsim::default_pool(driver, device);
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    nvsim::pool_of(lock, pool);
    nvsim::device_at(driver, device).current_pool = pool;
  });
}
