// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Addresses that are wrong: seen at the call, on the stream, or not at all? Shared memory.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "probe.hpp"

using namespace calibrate;

namespace {

constexpr std::size_t kGranule = std::size_t{2} << 20;

void say_copy(const char *what, CUresult submitted, CUstream on) {
  say(what, submitted);
  if (submitted == CUDA_SUCCESS) say(std::string(what) + ", sync", cuStreamSynchronize(on));
}

CUmemGenericAllocationHandle create() {
  CUmemAllocationProp prop{};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  CUmemGenericAllocationHandle handle = 0;
  NEED(cuMemCreate(&handle, kGranule, &prop, 0));
  return handle;
}

CUresult set_access(CUdeviceptr address, std::size_t size, CUmemAccess_flags flags) {
  CUmemAccessDesc access{};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.flags = flags;
  return cuMemSetAccess(address, size, &access, 1);
}

CUdeviceptr reserve(std::size_t size) {
  CUdeviceptr address = 0;
  NEED(cuMemAddressReserve(&address, size, 0, 0, 0));
  return address;
}

}  // namespace

PROBE(copy_from_freed) {
  start();
  const CUstream on = stream();
  const CUdeviceptr target = memory();
  const CUdeviceptr gone = memory(8 << 20);
  NEED(cuMemFree(gone));
  say_copy("cuMemcpyDtoDAsync", cuMemcpyDtoDAsync(target, gone, 4096, on), on);
}
PROBE(fill_of_freed) {
  start();
  const CUstream on = stream();
  const CUdeviceptr gone = memory(8 << 20);
  NEED(cuMemFree(gone));
  say_copy("cuMemsetD8Async", cuMemsetD8Async(gone, 0, 4096, on), on);
}
PROBE(copy_2d_from_freed) {
  start();
  const CUstream on = stream();
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = memory();
  copy.srcDevice = memory(8 << 20);
  copy.srcPitch = copy.dstPitch = 1024;
  copy.WidthInBytes = 1000;
  copy.Height = 10;
  NEED(cuMemFree(copy.srcDevice));
  say_copy("cuMemcpy2DAsync", cuMemcpy2DAsync(&copy, on), on);
}
PROBE(kernel_writes_freed) {
  start();
  const CUdeviceptr gone = memory(8 << 20);
  NEED(cuMemFree(gone));
  poke(gone, nullptr);
  say("sync", cuStreamSynchronize(nullptr));
}
PROBE(copy_past_the_end) {
  start();
  const CUstream on = stream();
  const CUdeviceptr source = memory(8 << 20);
  const CUdeviceptr target = memory(16 << 20);
  say_copy("cuMemcpyDtoDAsync", cuMemcpyDtoDAsync(target, source, (8 << 20) + 1, on), on);
}
PROBE(fill_past_the_end) {
  start();
  const CUstream on = stream();
  say_copy("cuMemsetD8Async", cuMemsetD8Async(memory(8 << 20), 0, (8 << 20) + 1, on), on);
}
PROBE(copy_past_the_end_small) {
  start();
  const CUstream on = stream();
  say_copy("cuMemsetD8Async", cuMemsetD8Async(memory(1000), 0, 1001, on), on);
}
PROBE(copy_2d_past_the_end) {
  start();
  const CUstream on = stream();
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = memory(32 << 20);
  copy.srcDevice = memory(8 << 20);
  copy.srcPitch = copy.dstPitch = 1 << 20;
  copy.WidthInBytes = 1 << 20;
  copy.Height = 9;
  say_copy("cuMemcpy2DAsync", cuMemcpy2DAsync(&copy, on), on);
}
PROBE(copy_2d_arguments) {
  start();
  const CUstream on = stream();
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = memory();
  copy.srcDevice = memory();
  copy.WidthInBytes = 1000;
  copy.Height = 10;
  copy.srcPitch = copy.dstPitch = 999;
  say_copy("pitch smaller than width", cuMemcpy2DAsync(&copy, on), on);
  copy.srcPitch = copy.dstPitch = 0;
  say_copy("pitch 0", cuMemcpy2DAsync(&copy, on), on);
  copy.Height = 1;
  say_copy("pitch 0, one row", cuMemcpy2DAsync(&copy, on), on);
  copy.Height = 0;
  say_copy("no rows", cuMemcpy2DAsync(&copy, on), on);
}
PROBE(copy_of_wild_address) {
  start();
  const CUstream on = stream();
  say_copy("cuMemcpyDtoDAsync", cuMemcpyDtoDAsync(memory(), 0x100000, 4096, on), on);
}
PROBE(attributes) {
  start();
  unsigned type = 0;
  const CUdeviceptr gone = memory(8 << 20);
  NEED(cuMemFree(gone));
  say("of host memory", cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                              reinterpret_cast<CUdeviceptr>(&type)));
  say("of freed memory", cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, gone));
  CUdeviceptr base = 0;
  std::size_t size = 0;
  say("cuMemGetAddressRange of freed memory", cuMemGetAddressRange(&base, &size, gone));
}

PROBE(virtual_memory) {
  start();
  const CUstream on = stream();
  const CUdeviceptr source = memory(kGranule);
  CUmemAllocationProp prop{};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  std::size_t granularity = 0;
  NEED(cuMemGetAllocationGranularity(&granularity, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
  say("granularity", std::to_string(granularity));
  const CUmemGenericAllocationHandle handle = create();
  const CUdeviceptr address = reserve(2 * kGranule);
  say_copy("fill, nothing mapped", cuMemsetD8Async(address, 0, 4096, on), on);
  say("cuMemMap, larger than the memory", cuMemMap(address, 2 * kGranule, 0, handle, 0));
  say("cuMemMap", cuMemMap(address, kGranule, 0, handle, 0));
  say("cuMemMap again", cuMemMap(address, kGranule, 0, handle, 0));
  say_copy("fill, no access set", cuMemsetD8Async(address, 0, 4096, on), on);
  say("cuMemSetAccess read", set_access(address, kGranule, CU_MEM_ACCESS_FLAGS_PROT_READ));
  say_copy("fill, read only", cuMemsetD8Async(address, 0, 4096, on), on);
  say_copy("copy to, read only", cuMemcpyDtoDAsync(address, source, 4096, on), on);
  say_copy("copy from, read only", cuMemcpyDtoDAsync(source, address, 4096, on), on);
  say("cuMemSetAccess over a gap",
      set_access(address, 2 * kGranule, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
  say("cuMemSetAccess both", set_access(address, kGranule, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
  say_copy("fill", cuMemsetD8Async(address, 0, 4096, on), on);
  say("cuMemFree of a mapping", cuMemFree(address));
  say("cuMemAddressFree, still mapped", cuMemAddressFree(address, 2 * kGranule));
  say("cuMemRelease, still mapped", cuMemRelease(handle));
  say_copy("fill after release", cuMemsetD8Async(address, 0, 4096, on), on);
  say("cuMemUnmap of more", cuMemUnmap(address, 2 * kGranule));
  say("cuMemUnmap", cuMemUnmap(address, kGranule));
  say("cuMemAddressFree", cuMemAddressFree(address, 2 * kGranule));
  int ends[2];
  if (pipe(ends) != 0) return;
  CUmemGenericAllocationHandle imported = 0;
  say("import of a pipe",
      cuMemImportFromShareableHandle(&imported, reinterpret_cast<void *>(std::intptr_t{ends[0]}),
                                     CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
}
PROBE(kernel_writes_read_only) {
  start();
  const CUdeviceptr address = reserve(kGranule);
  NEED(cuMemMap(address, kGranule, 0, create(), 0));
  NEED(set_access(address, kGranule, CU_MEM_ACCESS_FLAGS_PROT_READ));
  poke(address, nullptr);
  say("sync", cuStreamSynchronize(nullptr));
}
PROBE(unmap_while_a_kernel_runs) {
  start();
  const CUdeviceptr address = reserve(kGranule);
  NEED(cuMemMap(address, kGranule, 0, create(), 0));
  NEED(set_access(address, kGranule, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
  Spinner spinner(stream());
  say_whether_waits("cuMemUnmap", spinner, [&] { return cuMemUnmap(address, kGranule); });
}

PROBE(legacy_ipc) {
  struct Handles {
    CUipcMemHandle memory;
    CUipcEventHandle event;
  } handles{};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) return;
  const pid_t exporter = fork();
  if (exporter == 0) {
    start();
    const CUdeviceptr some = memory();
    const CUstream on = stream();
    const CUevent mark = event(CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING);
    NEED(cuMemsetD8(some, 42, 4096));
    NEED(cuCtxSynchronize());
    NEED(cuIpcGetMemHandle(&handles.memory, some));
    NEED(cuIpcGetEventHandle(&handles.event, mark));
    CUdeviceptr own = 0;
    say("open of an own handle",
        cuIpcOpenMemHandle(&own, handles.memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
    Spinner spinner(on);
    NEED(cuEventRecord(mark, on));
    if (write(ends[1], &handles, sizeof handles) < 0) _exit(1);
    char done = 0;
    if (read(ends[1], &done, 1) < 0) _exit(1);
    kill(getpid(), SIGKILL);
  }
  start();
  const CUstream on = stream();
  const CUdeviceptr target = memory();
  if (read(ends[0], &handles, sizeof handles) != static_cast<ssize_t>(sizeof handles)) return;
  CUdeviceptr opened = 0;
  CUdeviceptr again = 0;
  CUevent mark = nullptr;
  say("open", cuIpcOpenMemHandle(&opened, handles.memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  say("open again", cuIpcOpenMemHandle(&again, handles.memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  say("is the same address", opened == again ? "yes" : "no");
  say("close once", cuIpcCloseMemHandle(opened));
  say("open event", cuIpcOpenEventHandle(&mark, handles.event));
  say("event pending", cuEventQuery(mark));
  say("cuMemFree of opened memory", cuMemFree(opened));
  const CUstream waiting = stream();
  NEED(cuStreamWaitEvent(waiting, mark, 0));
  if (write(ends[0], "x", 1) != 1) return;
  int status = 0;
  waitpid(exporter, &status, 0);
  say("exporter", "is dead");
  // Waiting for it would be for ever.
  say("event after the exporter's death", cuEventQuery(mark));
  say("stream that waits for it", cuStreamQuery(waiting));
  say_copy("copy after the exporter's death", cuMemcpyDtoDAsync(target, opened, 4096, on), on);
  unsigned char byte = 0;
  NEED(cuMemcpyDtoHAsync(&byte, target, 1, on));
  say("read back", cuStreamSynchronize(on));
  say("holds what was written", byte == 42 ? "yes" : "no");
}
