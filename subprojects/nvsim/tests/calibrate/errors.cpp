// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a failed GPU means for the process, and misuse that must not fail it.
#include "probe.hpp"

using namespace calibrate;

PROBE(sticky) {
  const CUcontext first = start();
  const CUcontext second = another_context();
  NEED(cuCtxSetCurrent(first));
  const CUstream a_stream = stream();
  const CUevent an_event = event();
  const CUdeviceptr some = memory();
  void *pinned = nullptr;
  NEED(cuMemAllocHost(&pinned, 4096));
  CUcontext primary = nullptr;
  NEED(cuDevicePrimaryCtxRetain(&primary, 0));
  break_gpu();
  CUdeviceptr more = 0;
  CUcontext context = nullptr;
  int value = 0;
  std::size_t size = 0;
  say("cuMemAlloc", cuMemAlloc(&more, 16));
  say("cuStreamSynchronize", cuStreamSynchronize(a_stream));
  say("cuStreamQuery", cuStreamQuery(a_stream));
  say("cuEventQuery", cuEventQuery(an_event));
  say("cuEventSynchronize", cuEventSynchronize(an_event));
  say("cuEventRecord", cuEventRecord(an_event, a_stream));
  say("cuMemGetInfo", cuMemGetInfo(&size, &size));
  say("cuMemsetD8Async", cuMemsetD8Async(some, 0, 16, a_stream));
  say("cuCtxSynchronize", cuCtxSynchronize());
  say("cuCtxGetDevice", cuCtxGetDevice(&value));
  say("cuCtxGetCurrent", cuCtxGetCurrent(&context));
  say("cuDeviceGetCount", cuDeviceGetCount(&value));
  say("cuDeviceGetAttribute", cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
  say("cuDriverGetVersion", cuDriverGetVersion(&value));
  say("cuInit", cuInit(0));
  unsigned type = 0;
  say("cuPointerGetAttribute",
      cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, some));
  say("cuCtxPushCurrent", cuCtxPushCurrent(second));
  say("cuMemAlloc in another context", cuMemAlloc(&more, 16));
  say("cuCtxPopCurrent", cuCtxPopCurrent(&context));
  say("cuCtxSetCurrent", cuCtxSetCurrent(first));
  say("cuCtxCreate", cuCtxCreate_v2(&context, 0, 0));
  say("cuDevicePrimaryCtxRetain", cuDevicePrimaryCtxRetain(&context, 0));
  say("cuDevicePrimaryCtxRelease", cuDevicePrimaryCtxRelease(0));
  say("cuMemFree", cuMemFree(some));
  say("cuMemFreeHost", cuMemFreeHost(pinned));
  say("cuEventDestroy", cuEventDestroy(an_event));
  say("cuStreamDestroy", cuStreamDestroy(a_stream));
  say("cuCtxDestroy", cuCtxDestroy(first));
  say("cuCtxDestroy of another", cuCtxDestroy(second));
}

PROBE(sticky_others) {
  start();
  const CUstream on = stream();
  CUmemAllocationProp prop{};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  constexpr std::size_t granule = std::size_t{2} << 20;
  CUmemGenericAllocationHandle handle = 0;
  CUmemGenericAllocationHandle other = 0;
  CUdeviceptr address = 0;
  NEED(cuMemCreate(&handle, granule, &prop, 0));
  NEED(cuMemAddressReserve(&address, granule, 0, 0, 0));
  NEED(cuMemMap(address, granule, 0, handle, 0));
  const CUdeviceptr some = memory();
  CUdeviceptr ordered = 0;
  NEED(cuMemAllocAsync(&ordered, 4096, on));
  NEED(cuStreamSynchronize(on));
  break_gpu();
  CUcontext primary = nullptr;
  CUstream a_stream = nullptr;
  CUevent an_event = nullptr;
  CUipcMemHandle ipc{};
  void *pinned = nullptr;
  char byte = 0;
  std::size_t size = 0;
  say("cuDevicePrimaryCtxRetain, not yet active", cuDevicePrimaryCtxRetain(&primary, 0));
  say("cuStreamCreate", cuStreamCreate(&a_stream, 0));
  say("cuEventCreate", cuEventCreate(&an_event, 0));
  say("cuMemAllocHost", cuMemAllocHost(&pinned, 4096));
  say("cuMemcpyDtoH", cuMemcpyDtoH(&byte, some, 1));
  say("cuMemFreeAsync", cuMemFreeAsync(ordered, on));
  say("cuMemCreate", cuMemCreate(&other, granule, &prop, 0));
  say("cuMemUnmap", cuMemUnmap(address, granule));
  say("cuMemRelease", cuMemRelease(handle));
  say("cuMemAddressFree", cuMemAddressFree(address, granule));
  say("cuMemGetAllocationGranularity",
      cuMemGetAllocationGranularity(&size, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
  say("cuIpcGetMemHandle", cuIpcGetMemHandle(&ipc, some));
  say("cuLaunchHostFunc", cuLaunchHostFunc(
                              on, [](void *) {}, nullptr));
}

PROBE(query_of_destroyed_event) {
  start();
  const CUevent gone = event();
  NEED(cuEventDestroy(gone));
  say("cuEventQuery", cuEventQuery(gone));
}
PROBE(sync_of_destroyed_stream) {
  start();
  const CUstream gone = stream();
  NEED(cuStreamDestroy(gone));
  say("cuStreamSynchronize", cuStreamSynchronize(gone));
}

PROBE(no_context) {
  start();
  const CUdeviceptr target = memory();
  CUdeviceptr ordered = 0;
  void *pinned = nullptr;
  NEED(cuMemAllocHost(&pinned, 4096));
  const CUstream a_stream = stream();
  const CUevent an_event = event();
  const CUdeviceptr some = memory();
  NEED(cuCtxSetCurrent(nullptr));
  CUdeviceptr more = 0;
  std::size_t more_size = 0;
  unsigned type = 0;
  int device = 0;
  say("cuMemAlloc", cuMemAlloc(&more, 16));
  say("cuCtxGetDevice", cuCtxGetDevice(&device));
  say("cuStreamSynchronize", cuStreamSynchronize(a_stream));
  say("cuStreamQuery", cuStreamQuery(a_stream));
  say("cuEventRecord", cuEventRecord(an_event, a_stream));
  say("cuStreamWaitEvent", cuStreamWaitEvent(a_stream, an_event, 0));
  say("cuEventQuery", cuEventQuery(an_event));
  say("cuEventSynchronize", cuEventSynchronize(an_event));
  say("cuMemsetD8Async", cuMemsetD8Async(some, 0, 16, a_stream));
  say("cuMemsetD8Async, NULL stream", cuMemsetD8Async(some, 0, 16, nullptr));
  say("cuMemcpyDtoDAsync", cuMemcpyDtoDAsync(target, some, 16, a_stream));
  say("cuMemcpyDtoH", cuMemcpyDtoH(&type, some, 4));
  say("cuMemAllocAsync", cuMemAllocAsync(&ordered, 16, a_stream));
  say("cuMemFreeAsync", cuMemFreeAsync(ordered, a_stream));
  say("cuCtxSynchronize", cuCtxSynchronize());
  say("cuStreamSynchronize of NULL", cuStreamSynchronize(nullptr));
  say("cuMemGetInfo", cuMemGetInfo(&more_size, &more_size));
  say("cuMemGetAddressRange", cuMemGetAddressRange(&more, &more_size, some));
  say("cuMemFreeHost", cuMemFreeHost(pinned));
  say("cuLaunchHostFunc", cuLaunchHostFunc(
                              a_stream, [](void *) {}, nullptr));
  say("cuPointerGetAttribute",
      cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, some));
  say("cuEventDestroy", cuEventDestroy(an_event));
  say("cuStreamDestroy", cuStreamDestroy(a_stream));
  say("cuMemFree", cuMemFree(some));
}

PROBE(another_context_current) {
  const CUcontext first = start();
  const CUstream a_stream = stream();
  const CUevent an_event = event();
  const CUdeviceptr some = memory();
  const CUdeviceptr other = memory();
  another_context();
  const CUdeviceptr mine = memory();
  const CUstream my_stream = stream();
  const CUevent my_event = event();
  say("copy of its memory", cuMemcpyDtoDAsync(mine, some, 4096, my_stream));
  say("and sync", cuStreamSynchronize(my_stream));
  say("fill of its memory", cuMemsetD8Async(some, 0, 4096, my_stream));
  say("and sync", cuStreamSynchronize(my_stream));
  say("fill on its stream", cuMemsetD8Async(mine, 0, 4096, a_stream));
  say("cuStreamSynchronize", cuStreamSynchronize(a_stream));
  say("cuStreamQuery", cuStreamQuery(a_stream));
  say("its event on its stream", cuEventRecord(an_event, a_stream));
  say("its event on my stream", cuEventRecord(an_event, my_stream));
  say("my event on its stream", cuEventRecord(my_event, a_stream));
  say("my stream waits for its event", cuStreamWaitEvent(my_stream, an_event, 0));
  say("its stream waits for my event", cuStreamWaitEvent(a_stream, my_event, 0));
  say("cuEventQuery", cuEventQuery(an_event));
  say("cuLaunchHostFunc", cuLaunchHostFunc(
                              a_stream, [](void *) {}, nullptr));
  say("cuMemFree", cuMemFree(other));
  say("cuEventDestroy", cuEventDestroy(an_event));
  say("cuStreamDestroy", cuStreamDestroy(a_stream));
  poke(some, my_stream);
  say("kernel writes its memory", cuStreamSynchronize(my_stream));
  say("cuCtxDestroy", cuCtxDestroy(first));
}

PROBE(destroyed_context) {
  const CUcontext context = start();
  std::atomic<int> phase{0};
  std::thread other([&] {
    NEED(cuCtxPushCurrent(context));
    phase = 1;
    while (phase != 2) std::this_thread::yield();
    CUdeviceptr some = 0;
    CUcontext current = nullptr;
    say("cuMemAlloc in another thread", cuMemAlloc(&some, 16));
    say("cuCtxGetCurrent in another thread", cuCtxGetCurrent(&current));
    say("cuCtxPopCurrent in another thread", cuCtxPopCurrent(&current));
  });
  while (phase != 1) std::this_thread::yield();
  say("cuCtxDestroy", cuCtxDestroy(context));
  CUdeviceptr some = 0;
  say("cuMemAlloc", cuMemAlloc(&some, 16));
  phase = 2;
  other.join();
  CUcontext primary = nullptr;
  NEED(cuDevicePrimaryCtxRetain(&primary, 0));
  say("cuCtxDestroy of the primary", cuCtxDestroy(primary));
}

PROBE(bad_frees) {
  start();
  const CUdeviceptr some = memory();
  int local = 0;
  say("of 0", cuMemFree(0));
  say("of the middle", cuMemFree(some + 512));
  say("of host memory", cuMemFree(reinterpret_cast<CUdeviceptr>(&local)));
  say("once", cuMemFree(some));
  say("twice", cuMemFree(some));
  say("cuMemFreeHost of host memory", cuMemFreeHost(&local));
  CUdeviceptr ordered = 0;
  const CUstream a_stream = stream();
  NEED(cuMemAllocAsync(&ordered, 4096, a_stream));
  NEED(cuStreamSynchronize(a_stream));
  say("cuMemFree of cuMemAllocAsync", cuMemFree(ordered));
  say("cuMemFreeAsync of cuMemAlloc", cuMemFreeAsync(memory(), a_stream));
  NEED(cuMemAllocAsync(&ordered, 4096, a_stream));
  say("cuMemFreeAsync", cuMemFreeAsync(ordered, a_stream));
  say("cuMemFreeAsync twice", cuMemFreeAsync(ordered, a_stream));
  say("fill after cuMemFreeAsync", cuMemsetD8Async(ordered, 0, 16, a_stream));
  say("and sync", cuStreamSynchronize(a_stream));
}

PROBE(bad_arguments) {
  start();
  CUdeviceptr some = 0;
  std::size_t pitch = 0;
  CUstream a_stream = nullptr;
  CUevent an_event = nullptr;
  void *pinned = nullptr;
  say("cuMemAlloc of 0", cuMemAlloc(&some, 0));
  say("cuMemAllocHost of 0", cuMemAllocHost(&pinned, 0));
  say("gives", pinned ? "memory" : "NULL");
  say("cuMemAllocPitch elements of 1", cuMemAllocPitch(&some, &pitch, 100, 10, 1));
  say("cuMemAllocPitch width 0", cuMemAllocPitch(&some, &pitch, 0, 10, 16));
  say("cuStreamCreate flags 2", cuStreamCreate(&a_stream, 2));
  say("cuEventCreate flags 16", cuEventCreate(&an_event, 16));
  say("cuEventCreate interprocess with timing", cuEventCreate(&an_event, CU_EVENT_INTERPROCESS));
  say("cuMemsetD16 odd address", cuMemsetD16(memory() + 1, 0, 16));
  say("copy of no bytes", cuMemcpyDtoD(memory(), memory(), 0));
  for (std::size_t width : {1, 100, 512, 513, 1920, 3840}) {
    NEED(cuMemAllocPitch(&some, &pitch, width, 10, 16));
    say("pitch of " + std::to_string(width), std::to_string(pitch));
  }
  say("alignment of cuMemAlloc(1)", memory(1) % 512 == 0 ? "512 or more" : "less than 512");
  float ms = 0;
  const CUevent timed = event(CU_EVENT_DEFAULT);
  say("elapsed, never recorded", cuEventElapsedTime(&ms, timed, timed));
  say("elapsed, without timing", cuEventElapsedTime(&ms, event(), event()));
  say("cuEventQuery, never recorded", cuEventQuery(event()));
}
