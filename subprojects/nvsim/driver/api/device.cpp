// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Initialisation, errors by name, devices.
#include <cstring>

#include "driver/driver.hpp"

// Old programs ask for the unversioned name.
#undef cuDeviceGetUuid

using nvsim::api_call;
using nvsim::Call;
using nvsim::Driver;

namespace nvsim {
namespace {

constexpr int kDriverVersion = 13000;

Device &device_at(CUdevice ordinal) {
  auto &devices = Driver::get().devices;
  if (ordinal < 0 || static_cast<std::size_t>(ordinal) >= devices.size())
    throw Error{CUDA_ERROR_INVALID_DEVICE};
  return devices[static_cast<std::size_t>(ordinal)];
}

template <typename Pointer>
void require(Pointer *pointer) {
  if (!pointer) throw Error{CUDA_ERROR_INVALID_VALUE};
}

int attribute(CUdevice_attribute attribute) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      return 9;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      return 0;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
      return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
      return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
      return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
      return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_PITCH:
      return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT:
      return 512;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT:
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
      return 32;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      return 4;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
      return 1000000;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
      return 2;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP:
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM:
    case CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED:
      return 1;
    case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED:
      return setting("VMM", 1) != 0;
    default:
      return 0;  // what is not there is not supported
  }
}

}  // namespace
}  // namespace nvsim

NVSIM_API CUresult cuInit(unsigned flags) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kBeforeInit | nvsim::kAfterError,
                  [&](Call &) {
                    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
                    return Driver::get().initialize();
                  });
}

NVSIM_API CUresult cuDriverGetVersion(int *version) {
  return api_call(
      __func__, nvsim::kNoContext | nvsim::kBeforeInit | nvsim::kAfterError, [&](Call &) {
        nvsim::require(version);
        *version = static_cast<int>(nvsim::setting("DRIVER_VERSION", nvsim::kDriverVersion));
      });
}

NVSIM_API CUresult cuGetErrorName(CUresult error, const char **name) {
  if (!name) return CUDA_ERROR_INVALID_VALUE;
  *name = nvsim::result_name(error);
  return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

NVSIM_API CUresult cuGetErrorString(CUresult error, const char **text) {
  return cuGetErrorName(error, text);
}

NVSIM_API CUresult cuDeviceGetCount(int *count) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    nvsim::require(count);
    *count = static_cast<int>(Driver::get().devices.size());
  });
}

NVSIM_API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    nvsim::require(device);
    nvsim::device_at(ordinal);
    *device = ordinal;
  });
}

NVSIM_API CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    nvsim::device_at(device);
    if (!name || length <= 0) throw nvsim::Error{CUDA_ERROR_INVALID_VALUE};
    std::snprintf(name, static_cast<std::size_t>(length), "Simulated GPU %d (nvsim)", device);
  });
}

NVSIM_API CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    nvsim::device_at(device);
    nvsim::require(uuid);
    std::memset(uuid->bytes, 0, sizeof uuid->bytes);
    std::memcpy(uuid->bytes, "nvsim device", 12);
    uuid->bytes[15] = static_cast<char>(device);
  });
}
NVSIM_API CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
  return cuDeviceGetUuid(uuid, device);
}

NVSIM_API CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    nvsim::device_at(device);
    nvsim::require(value);
    *value = attribute == CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID ? device : nvsim::attribute(attribute);
  });
}

NVSIM_API CUresult cuDeviceTotalMem_v2(std::size_t *bytes, CUdevice device) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    nvsim::require(bytes);
    const nvsim::Lock lock(Driver::get().mutex);
    *bytes = nvsim::device_at(device).limit;
  });
}

NVSIM_API CUresult cuDeviceGetPCIBusId(char *id, int length, CUdevice device) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    nvsim::device_at(device);
    if (!id || length <= 0) throw nvsim::Error{CUDA_ERROR_INVALID_VALUE};
    std::snprintf(id, static_cast<std::size_t>(length), "0000:00:%02x.0", device);
  });
}

NVSIM_API CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) {
    nvsim::require(can);
    nvsim::device_at(peer);
    const nvsim::Lock lock(Driver::get().mutex);
    *can = nvsim::device_at(device).peers[static_cast<std::size_t>(peer)];
  });
}
