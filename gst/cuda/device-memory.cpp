// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/device-memory.hpp"

namespace cudacam {
namespace {

CUdevice current_device() {
  CUdevice device = 0;
  driver().cuCtxGetDevice(&device);
  return device;
}

int value_of(CUdevice device, CUdevice_attribute attribute) {
  int value = 0;
  driver().cuDeviceGetAttribute(&value, attribute, device);
  return value;
}

bool shareable(CUdevice device) {
  return value_of(device, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED) &&
         value_of(device, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED);
}

CUmemAllocationProp properties(CUdevice device) {
  CUmemAllocationProp wanted{};
  wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  wanted.location.id = device;
  wanted.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  return wanted;
}

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

/// Physical memory without an address. It lives as long as this, or as it is mapped.
class PhysicalMemory {
 public:
  PhysicalMemory(CUdevice device, std::size_t bytes) {
    const auto wanted = properties(device);
    driver().cuMemCreate(&handle_, bytes, &wanted, 0ull);
  }
  ~PhysicalMemory() { driver().cuMemRelease.quiet(handle_); }
  PhysicalMemory(const PhysicalMemory &) = delete;
  PhysicalMemory &operator=(const PhysicalMemory &) = delete;
  CUmemGenericAllocationHandle handle() const { return handle_; }

 private:
  CUmemGenericAllocationHandle handle_ = 0;
};

}  // namespace

std::size_t DeviceMemory::row_alignment(GstCudaContext *context) {
  const ContextScope scope(context);
  return static_cast<std::size_t>(
      value_of(current_device(), CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT));
}

std::size_t DeviceMemory::rounded(GstCudaContext *context, std::size_t bytes) {
  const ContextScope scope(context);
  const auto device = current_device();
  if (!shareable(device)) return bytes;
  const auto wanted = properties(device);
  std::size_t granule = 0;
  driver().cuMemGetAllocationGranularity(&granule, &wanted, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
  return round_up(bytes, granule);
}

std::unique_ptr<DeviceMemory> DeviceMemory::allocate(GstCudaContext *context, std::size_t bytes) {
  const ContextScope scope(context);
  std::unique_ptr<DeviceMemory> memory(new DeviceMemory(context, rounded(context, bytes)));
  if (shareable(current_device())) {
    memory->allocate_shareable();
  } else {
    driver().cuMemAlloc(&memory->address_, memory->bytes_);
    memory->state_ = State::kOrdinary;
  }
  return memory;
}

void DeviceMemory::allocate_shareable() {
  const auto device = current_device();
  const PhysicalMemory physical(device, bytes_);
  driver().cuMemAddressReserve(&address_, bytes_, std::size_t{0}, CUdeviceptr{0}, 0ull);
  state_ = State::kReserved;
  driver().cuMemMap(address_, bytes_, std::size_t{0}, physical.handle(), 0ull);
  state_ = State::kMapped;
  CUmemAccessDesc access{};
  access.location = properties(device).location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  driver().cuMemSetAccess(address_, bytes_, &access, std::size_t{1});
}

DeviceMemory::~DeviceMemory() {
  if (state_ == State::kNone) return;
  try {
    const ContextScope scope(context_.get());
    if (state_ == State::kOrdinary) {
      driver().cuMemFree(address_);
      return;
    }
    if (state_ == State::kMapped) {
      driver().cuCtxSynchronize();  // unmapping, unlike freeing, waits for nothing
      driver().cuMemUnmap(address_, bytes_);
    }
    driver().cuMemAddressFree(address_, bytes_);
  } catch (const CudaError &) {
    // Logged where it happened. What depends on the call that failed must not follow.
  }
}

}  // namespace cudacam
