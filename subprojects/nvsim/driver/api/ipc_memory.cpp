// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Legacy IPC of memory: the handle names the exporter's descriptor of the memory, opened through
// /proc while the exporter lives.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "driver/driver.hpp"

using nvsim::Allocation;
using nvsim::api_call;
using nvsim::Call;
using nvsim::Driver;
using nvsim::Lock;

namespace nvsim {
namespace {

constexpr std::uint64_t kMagic = 0x6e7673696d697063;  // "nvsimipc"

struct Name {
  std::uint64_t magic;
  std::uint64_t size;
  std::uint64_t offset;  // of the first page
  std::uint32_t in_page;
  pid_t exporter;
  std::int32_t fd;
  std::int32_t device;
};
static_assert(sizeof(Name) <= sizeof(CUipcMemHandle));

// Addresses are never used twice, so this is one memory of one process.
std::string key(const Name &name) {
  return format("%d:%d:%llu:%u", name.exporter, name.fd,
                static_cast<unsigned long long>(name.offset), name.in_page);
}

CUresult get(CUipcMemHandle *handle, CUdeviceptr address) {
  if (!handle) return CUDA_ERROR_INVALID_VALUE;
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  const Allocation *allocation = driver.memory.live_at(address);
  if (!allocation || allocation->kind != Allocation::Kind::device || allocation->stream_ordered)
    return CUDA_ERROR_INVALID_VALUE;
  const std::size_t front = allocation->base - allocation->block.address;
  const Name name{kMagic,
                  allocation->size,
                  static_cast<std::uint64_t>(allocation->block.offset),
                  static_cast<std::uint32_t>(front),
                  getpid(),
                  allocation->block.fd,
                  allocation->device};
  std::memset(handle, 0, sizeof *handle);
  std::memcpy(handle, &name, sizeof name);
  return CUDA_SUCCESS;
}

CUresult open(Call &call, CUdeviceptr *address, const CUipcMemHandle &handle, unsigned flags) {
  Name name{};
  std::memcpy(&name, &handle, sizeof name);
  if (!address || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS || name.magic != kMagic)
    return CUDA_ERROR_INVALID_VALUE;
  if (name.exporter == getpid()) return CUDA_ERROR_INVALID_CONTEXT;
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  Allocation *known = nullptr;
  driver.memory.for_each_live([&](Allocation &allocation) {
    if (allocation.kind == Allocation::Kind::imported && allocation.imported_from == key(name))
      known = &allocation;
  });
  if (known) {  // measured: the same address again
    ++known->opened;
    *address = known->base;
    return CUDA_SUCCESS;
  }
  const int fd =
      ::open(format("/proc/%d/fd/%d", name.exporter, name.fd).c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return CUDA_ERROR_MAP_FAILED;
  const std::size_t bytes = round_up(name.in_page + name.size, kPage);
  Allocation allocation;
  allocation.kind = Allocation::Kind::imported;
  allocation.block = driver.arena.reserve(bytes);
  driver.arena.map_file(allocation.block.address, bytes, fd, static_cast<off_t>(name.offset),
                        PROT_READ | PROT_WRITE);
  close(fd);
  allocation.base = allocation.block.address + name.in_page;
  allocation.size = name.size;
  allocation.device = name.device;
  allocation.imported_from = key(name);
  allocation.context = call.context();
  allocation.tag = format("memory of process %d", name.exporter);
  *address = driver.memory.adopt(std::move(allocation)).base;
  driver.counters.count("ipc.open", 1);
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace nvsim

NVSIM_API CUresult cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &) { return nvsim::get(handle, address); });
}

NVSIM_API CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *address, CUipcMemHandle handle,
                                         unsigned flags) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &call) { return nvsim::open(call, address, handle, flags); });
}
// The unversioned name is what GStreamer asks for.
#undef cuIpcOpenMemHandle
NVSIM_API CUresult cuIpcOpenMemHandle(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags) {
  return cuIpcOpenMemHandle_v2(address, handle, flags);
}

NVSIM_API CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &) {
    Driver &driver = Driver::get();
    Lock lock(driver.mutex);
    for (bool waited : {false, true}) {
      Allocation *allocation = driver.memory.live_at(address);
      if (!allocation || allocation->base != address ||
          allocation->kind != Allocation::Kind::imported)
        return CUDA_ERROR_INVALID_VALUE;
      if (waited && allocation->opened > 1) {
        --allocation->opened;
      } else if (waited) {
        driver.end_allocation(*allocation, nvsim::here());
        driver.counters.count("ipc.open", -1);
      } else {
        driver.wait_for_work_of(lock, *allocation);
      }
    }
    return driver.error();
  });
}
