// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Virtual memory management: physical memory, reserved addresses, mappings, access.
#include <sys/mman.h>

#include "driver/driver.hpp"
#include "driver/physical.hpp"

using nvsim::Allocation;
using nvsim::api_call;
using nvsim::Call;
using nvsim::Driver;
using nvsim::Error;
using nvsim::Lock;
using nvsim::PhysicalMemory;

// Measured: none of these needs a context or minds a failed GPU.
constexpr unsigned kAlways = nvsim::kNoContext | nvsim::kAfterError;

namespace nvsim {
namespace {

constexpr std::size_t kGranularity = std::size_t{2} << 20;  // measured on an H200

void require_granules(std::size_t value) {
  if (value == 0 || value % kGranularity) throw Error{CUDA_ERROR_INVALID_VALUE};
}

void require_device(const Driver &driver, const CUmemLocation &location) {
  if (location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
    not_simulated("memory located elsewhere than on a device");
    throw Error{CUDA_ERROR_NOT_SUPPORTED};
  }
  if (location.id < 0 || static_cast<std::size_t>(location.id) >= driver.devices.size())
    throw Error{CUDA_ERROR_INVALID_DEVICE};
}

PhysicalHandle as_handle(CUmemGenericAllocationHandle handle) {
  return reinterpret_cast<PhysicalHandle>(static_cast<std::uintptr_t>(handle));
}

std::shared_ptr<PhysicalMemory> physical_of(const Lock &, CUmemGenericAllocationHandle handle) {
  if (auto memory = Driver::get().physical.find(as_handle(handle))) return memory;
  violation("%s with memory handle %#llx, which is not live", this_thread().call, handle);
  throw Error{CUDA_ERROR_INVALID_VALUE};
}

CUmemGenericAllocationHandle add(Driver &driver, std::shared_ptr<PhysicalMemory> memory) {
  driver.counters.count("physical.live", 1);
  return reinterpret_cast<std::uintptr_t>(driver.physical.add(std::move(memory)));
}

// Gives the memory back to its device when nothing refers to it any more.
void settle(Driver &driver, PhysicalMemory &memory) {
  if (memory.handles || memory.mappings || !memory.counted) return;
  memory.counted = false;
  driver.devices[static_cast<std::size_t>(memory.device())].used -= memory.size();
  driver.counters.count("memory.bytes", -static_cast<std::int64_t>(memory.size()));
}

CUresult create(CUmemGenericAllocationHandle *handle, std::size_t size,
                const CUmemAllocationProp *properties) {
  Driver &driver = Driver::get();
  if (!handle || !properties || properties->type != CU_MEM_ALLOCATION_TYPE_PINNED)
    return CUDA_ERROR_INVALID_VALUE;
  require_granules(size);
  const bool exportable =
      properties->requestedHandleTypes == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  if (!exportable && properties->requestedHandleTypes != CU_MEM_HANDLE_TYPE_NONE)
    return not_simulated("memory shared otherwise than by POSIX descriptors");
  const Lock lock(driver.mutex);
  require_device(driver, properties->location);
  Device &device = driver.devices[static_cast<std::size_t>(properties->location.id)];
  if (device.used > device.limit || size > device.limit - device.used)
    return CUDA_ERROR_OUT_OF_MEMORY;
  auto memory = PhysicalMemory::create(size, properties->location.id, exportable, driver.parties);
  memory->counted = true;
  device.used += size;
  driver.counters.count("memory.bytes", static_cast<std::int64_t>(size));
  *handle = add(driver, std::move(memory));
  return CUDA_SUCCESS;
}

CUresult release_handle(CUmemGenericAllocationHandle handle) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  const std::shared_ptr<PhysicalMemory> memory = physical_of(lock, handle);
  if (--memory->handles > 0) return CUDA_SUCCESS;
  driver.physical.remove(as_handle(handle));
  driver.counters.count("physical.live", -1);
  settle(driver, *memory);
  return CUDA_SUCCESS;
}

// The reservation that holds all of the range.
Arena::Block *reservation_of(Driver &driver, CUdeviceptr address, std::size_t size) {
  auto next = driver.reservations.upper_bound(address);
  if (next == driver.reservations.begin()) return nullptr;
  Arena::Block &block = std::prev(next)->second;
  return address + size <= block.address + block.bytes ? &block : nullptr;
}

CUresult map(Call &call, CUdeviceptr address, std::size_t size, std::size_t offset,
             CUmemGenericAllocationHandle handle) {
  Driver &driver = Driver::get();
  require_granules(size);
  const Lock lock(driver.mutex);
  const std::shared_ptr<PhysicalMemory> memory = physical_of(lock, handle);
  const Arena::Block *reserved = reservation_of(driver, address, size);
  if (!reserved || address % kGranularity || offset % kGranularity || offset > memory->size())
    return CUDA_ERROR_INVALID_VALUE;
  if (size > memory->size() - offset) return CUDA_ERROR_NOT_SUPPORTED;  // measured
  bool taken = false;
  driver.memory.for_each_live([&](const Allocation &other) {
    taken |= address < other.base + other.size && other.base < address + size;
  });
  if (taken) return CUDA_ERROR_INVALID_VALUE;

  driver.arena.map_file(address, size, memory->fd(), static_cast<off_t>(offset), PROT_NONE);
  Allocation allocation;
  allocation.kind = Allocation::Kind::mapping;
  allocation.base = address;
  allocation.size = size;
  allocation.device = memory->device();
  allocation.context = call.context();
  allocation.tag = "mapped memory";
  allocation.block = {address, size, reserved->fd,
                      reserved->offset + static_cast<off_t>(address - reserved->address)};
  allocation.history = memory->history();
  allocation.history_origin = offset;
  allocation.physical = memory;
  driver.memory.adopt(std::move(allocation));
  ++memory->mappings;
  return CUDA_SUCCESS;
}

// The mappings that make up exactly this range. Throws where there are gaps.
std::vector<Allocation *> mappings_in(Driver &driver, CUdeviceptr address, std::size_t size) {
  std::vector<Allocation *> mappings;
  for (CUdeviceptr at = address; at < address + size;) {
    Allocation *mapping = driver.memory.live_at(at);
    if (!mapping || mapping->kind != Allocation::Kind::mapping || mapping->base != at ||
        mapping->base + mapping->size > address + size)
      throw Error{CUDA_ERROR_INVALID_VALUE};
    mappings.push_back(mapping);
    at += mapping->size;
  }
  return mappings;
}

// Gaps are no error: measured.
CUresult unmap(CUdeviceptr address, std::size_t size) {
  Driver &driver = Driver::get();
  require_granules(size);
  const Lock lock(driver.mutex);
  if (!reservation_of(driver, address, size)) return CUDA_ERROR_INVALID_VALUE;
  std::vector<Allocation *> mappings;
  bool cut = false;
  driver.memory.for_each_live([&](Allocation &mapping) {
    const CUdeviceptr end = mapping.base + mapping.size;
    if (mapping.kind != Allocation::Kind::mapping || end <= address ||
        mapping.base >= address + size)
      return;
    cut |= mapping.base < address || end > address + size;
    mappings.push_back(&mapping);
  });
  if (cut) return CUDA_ERROR_INVALID_VALUE;
  for (Allocation *mapping : mappings) {
    const std::shared_ptr<PhysicalMemory> memory = std::move(mapping->physical);
    driver.end_allocation(*mapping, here());
    --memory->mappings;
    settle(driver, *memory);
  }
  return CUDA_SUCCESS;
}

CUresult set_access(CUdeviceptr address, std::size_t size, const CUmemAccessDesc *descriptions,
                    std::size_t count) {
  Driver &driver = Driver::get();
  if (!descriptions || !count) return CUDA_ERROR_INVALID_VALUE;
  const Lock lock(driver.mutex);
  const std::vector<Allocation *> mappings = mappings_in(driver, address, size);
  for (std::size_t i = 0; i < count; ++i) require_device(driver, descriptions[i].location);
  for (Allocation *mapping : mappings) {
    int protection = PROT_NONE;
    for (std::size_t i = 0; i < count; ++i)
      mapping->access[descriptions[i].location.id] = descriptions[i].flags;
    for (const auto &entry : mapping->access) {
      if (entry.second & CU_MEM_ACCESS_FLAGS_PROT_READ) protection |= PROT_READ;
      if (entry.second == CU_MEM_ACCESS_FLAGS_PROT_READWRITE) protection |= PROT_WRITE;
    }
    driver.arena.protect(mapping->base, mapping->size, protection);
  }
  return CUDA_SUCCESS;
}

CUresult reserve(CUdeviceptr *address, std::size_t size, std::size_t alignment) {
  Driver &driver = Driver::get();
  if (!address) return CUDA_ERROR_INVALID_VALUE;
  require_granules(size);
  const Lock lock(driver.mutex);
  const Arena::Block block = driver.arena.reserve(size, std::max(alignment, kGranularity));
  driver.reservations[block.address] = block;
  driver.counters.count("reservation.live", 1);
  *address = block.address;
  return CUDA_SUCCESS;
}

CUresult free_reservation(CUdeviceptr address, std::size_t size) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  auto found = driver.reservations.find(address);
  if (found == driver.reservations.end() || found->second.bytes != size)
    return CUDA_ERROR_INVALID_VALUE;
  bool mapped = false;
  driver.memory.for_each_live([&](const Allocation &other) {
    mapped |= other.base >= address && other.base < address + size;
  });
  if (mapped) {
    violation("cuMemAddressFree of addresses at which memory is still mapped");
    return CUDA_ERROR_INVALID_VALUE;
  }
  driver.reservations.erase(found);
  driver.counters.count("reservation.live", -1);
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace nvsim

NVSIM_API CUresult cuMemGetAllocationGranularity(std::size_t *granularity,
                                                 const CUmemAllocationProp *properties,
                                                 CUmemAllocationGranularity_flags) {
  return api_call(__func__, kAlways, [&](Call &) {
    if (!granularity || !properties) return CUDA_ERROR_INVALID_VALUE;
    nvsim::require_device(Driver::get(), properties->location);
    *granularity = nvsim::kGranularity;
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, std::size_t size,
                               const CUmemAllocationProp *properties, unsigned long long flags) {
  return api_call(__func__, kAlways, [&](Call &) {
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    return nvsim::create(handle, size, properties);
  });
}

NVSIM_API CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  return api_call(__func__, kAlways, [&](Call &) { return nvsim::release_handle(handle); });
}

NVSIM_API CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle,
                                               void *address) {
  return api_call(__func__, kAlways, [&](Call &) {
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    const Allocation *mapping = driver.memory.live_at(reinterpret_cast<CUdeviceptr>(address));
    if (!mapping || !mapping->physical) return CUDA_ERROR_INVALID_VALUE;
    CUmemGenericAllocationHandle found = 0;
    driver.physical.for_each([&](nvsim::PhysicalHandle known, const auto &memory) {
      if (memory == mapping->physical) found = reinterpret_cast<std::uintptr_t>(known);
    });
    if (!found) found = nvsim::add(driver, mapping->physical);
    ++mapping->physical->handles;
    *handle = found;
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *properties,
                                                          CUmemGenericAllocationHandle handle) {
  return api_call(__func__, kAlways, [&](Call &) {
    if (!properties) return CUDA_ERROR_INVALID_VALUE;
    const Lock lock(Driver::get().mutex);
    const auto memory = nvsim::physical_of(lock, handle);
    *properties = {};
    properties->type = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties->location = {};
    properties->location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    properties->location.id = memory->device();
    properties->requestedHandleTypes =
        memory->exportable() ? CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR : CU_MEM_HANDLE_TYPE_NONE;
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle handle,
                                                CUmemAllocationHandleType type,
                                                unsigned long long flags) {
  return api_call(__func__, kAlways, [&](Call &) {
    if (!out || flags) return CUDA_ERROR_INVALID_VALUE;
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
      return nvsim::not_simulated("export otherwise than as a POSIX descriptor");
    const Lock lock(Driver::get().mutex);
    const auto memory = nvsim::physical_of(lock, handle);
    if (!memory->exportable()) return CUDA_ERROR_INVALID_VALUE;
    *static_cast<int *>(out) = memory->export_fd();
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *in,
                                                  CUmemAllocationHandleType type) {
  return api_call(__func__, kAlways, [&](Call &) {
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
      return nvsim::not_simulated("import otherwise than of a POSIX descriptor");
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(in));
    *handle = nvsim::add(driver, PhysicalMemory::import(fd, driver.parties));
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuMemAddressReserve(CUdeviceptr *address, std::size_t size,
                                       std::size_t alignment, CUdeviceptr,
                                       unsigned long long flags) {
  return api_call(__func__, kAlways, [&](Call &) {
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    return nvsim::reserve(address, size, alignment);
  });
}

NVSIM_API CUresult cuMemAddressFree(CUdeviceptr address, std::size_t size) {
  return api_call(__func__, kAlways,
                  [&](Call &) { return nvsim::free_reservation(address, size); });
}

NVSIM_API CUresult cuMemMap(CUdeviceptr address, std::size_t size, std::size_t offset,
                            CUmemGenericAllocationHandle handle, unsigned long long flags) {
  return api_call(__func__, kAlways, [&](Call &call) {
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    return nvsim::map(call, address, size, offset, handle);
  });
}

NVSIM_API CUresult cuMemUnmap(CUdeviceptr address, std::size_t size) {
  return api_call(__func__, kAlways, [&](Call &) { return nvsim::unmap(address, size); });
}

NVSIM_API CUresult cuMemSetAccess(CUdeviceptr address, std::size_t size,
                                  const CUmemAccessDesc *descriptions, std::size_t count) {
  return api_call(__func__, kAlways,
                  [&](Call &) { return nvsim::set_access(address, size, descriptions, count); });
}

NVSIM_API CUresult cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location,
                                  CUdeviceptr address) {
  return api_call(__func__, kAlways, [&](Call &) {
    if (!flags || !location) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    const Allocation *mapping = driver.memory.live_at(address);
    if (!mapping || mapping->kind != Allocation::Kind::mapping) return CUDA_ERROR_INVALID_VALUE;
    auto found = mapping->access.find(location->id);
    *flags = found == mapping->access.end() ? 0 : found->second;
    return CUDA_SUCCESS;
  });
}
