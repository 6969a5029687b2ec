// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/device-memory.hpp"

namespace cudacam {
namespace {

int value_of(CUdevice device, CUdevice_attribute attribute) {
  int value = 0;
  driver().cuDeviceGetAttribute(&value, attribute, device);
  return value;
}

CUmemAllocationProp properties(CUdevice device) {
  CUmemAllocationProp wanted{};
  wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  wanted.location.id = device;
  wanted.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  return wanted;
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

DeviceAllocator::DeviceAllocator(GstCudaContext *context) : context_(share(context)) {
  const ContextScope scope(context);
  driver().cuCtxGetDevice(&device_);
  row_alignment_ =
      static_cast<std::size_t>(value_of(device_, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT));
  shareable_ = value_of(device_, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED) &&
               value_of(device_, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED);
  const auto wanted = properties(device_);
  if (shareable_)
    driver().cuMemGetAllocationGranularity(&granule_, &wanted, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
}

std::unique_ptr<DeviceMemory> DeviceAllocator::allocate(std::size_t bytes) const {
  const ContextScope scope(context_.get());
  std::unique_ptr<DeviceMemory> memory(new DeviceMemory(context_.get(), rounded(bytes)));
  if (shareable_) {
    map_shareable(*memory);
  } else {
    driver().cuMemAlloc(&memory->address_, memory->bytes_);
    memory->state_ = DeviceMemory::State::kOrdinary;
  }
  return memory;
}

void DeviceAllocator::map_shareable(DeviceMemory &memory) const {
  const auto bytes = memory.bytes_;
  const PhysicalMemory physical(device_, bytes);
  driver().cuMemAddressReserve(&memory.address_, bytes, std::size_t{0}, CUdeviceptr{0}, 0ull);
  memory.state_ = DeviceMemory::State::kReserved;
  driver().cuMemMap(memory.address_, bytes, std::size_t{0}, physical.handle(), 0ull);
  memory.state_ = DeviceMemory::State::kMapped;
  CUmemAccessDesc access{};
  access.location = properties(device_).location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  driver().cuMemSetAccess(memory.address_, bytes, &access, std::size_t{1});
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
