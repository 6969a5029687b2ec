// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What waits for what.
#include "probe.hpp"

using namespace calibrate;

PROBE(while_a_kernel_runs) {
  const CUcontext context = start();
  const CUdeviceptr frees[2] = {memory(), memory()};
  void *pinned = nullptr;
  NEED(cuMemAllocHost(&pinned, 4096));
  const auto busy = [&](const char *what, const std::function<CUresult()> &function) {
    const CUstream running = stream();
    Spinner spinner(running);
    say_whether_waits(what, spinner, function);
    NEED(cuStreamSynchronize(running));
  };
  CUdeviceptr more = 0;
  busy("cuMemAlloc", [&] { return cuMemAlloc(&more, 1 << 20); });
  busy("cuMemFree", [&] { return cuMemFree(frees[0]); });
  busy("cuMemFreeHost", [&] { return cuMemFreeHost(pinned); });
  busy("cuMemAllocHost", [&] { return cuMemAllocHost(&pinned, 4096); });
  busy("cuStreamCreate and destroy", [&] { return cuStreamDestroy(stream()); });
  busy("cuEventCreate and destroy", [&] { return cuEventDestroy(event()); });
  busy("cuStreamSynchronize of another", [&] { return cuStreamSynchronize(stream()); });
  busy("cuCtxSynchronize", [&] { return cuCtxSynchronize(); });
  busy("NULL stream fill and sync", [&] {
    NEED(cuMemsetD8Async(frees[1], 0, 16, nullptr));
    return cuStreamSynchronize(nullptr);
  });
  const CUcontext inner = another_context();
  const CUcontext third = another_context();
  const CUdeviceptr of_third = memory();
  NEED(cuCtxSetCurrent(context));
  busy("cuCtxDestroy of another", [&] { return cuCtxDestroy(inner); });
  NEED(cuCtxSetCurrent(context));
  busy("cuMemAllocAsync and free", [&] {
    const CUstream other = stream();
    NEED(cuMemAllocAsync(&more, 4096, other));
    NEED(cuMemFreeAsync(more, other));
    return cuStreamSynchronize(other);
  });
  busy("cuModuleUnload", [&] { return cuModuleUnload(load_module()); });
  busy("cuMemFree in another context", [&] {
    NEED(cuCtxSetCurrent(third));
    const CUresult result = cuMemFree(of_third);
    NEED(cuCtxSetCurrent(context));
    return result;
  });
}

PROBE(destroyed_while_in_use) {
  start();
  const CUstream running = stream();
  const CUstream waiting = stream();
  const CUevent done = event();
  const CUdeviceptr some = memory();
  {
    Spinner spinner(running);
    NEED(cuMemsetD8Async(some, 7, 4096, running));
    NEED(cuEventRecord(done, running));
    NEED(cuStreamWaitEvent(waiting, done, 0));
    say("cuEventQuery before", cuEventQuery(done));
    say_whether_waits("cuStreamDestroy", spinner, [&] { return cuStreamDestroy(running); });
    say("cuEventSynchronize after", cuEventSynchronize(done));
    unsigned char byte = 0;
    NEED(cuMemcpyDtoH(&byte, some, 1));
    say("its work", byte == 7 ? "was done" : "was dropped");
  }
  const CUstream second = stream();
  {
    Spinner spinner(second);
    NEED(cuEventRecord(done, second));
    NEED(cuStreamWaitEvent(waiting, done, 0));
    say_whether_waits("cuEventDestroy", spinner, [&] { return cuEventDestroy(done); });
  }
  say("cuStreamSynchronize of the waiter", cuStreamSynchronize(waiting));
  const CUcontext inner = another_context();
  {
    Spinner spinner(stream());
    say_whether_waits("cuCtxDestroy", spinner, [&] { return cuCtxDestroy(inner); });
  }
}

PROBE(null_stream) {
  start();
  const CUdeviceptr some = memory();
  const CUstream blocking = stream(CU_STREAM_DEFAULT);
  const CUstream free_running = stream(CU_STREAM_NON_BLOCKING);
  {
    Spinner spinner(blocking);
    say("cuStreamQuery(NULL), blocking stream busy", cuStreamQuery(nullptr));
    NEED(cuMemsetD8Async(some, 0, 16, nullptr));
    say("with a fill", cuStreamQuery(nullptr));
    say_whether_waits("cuStreamSynchronize(NULL), blocking stream busy", spinner,
                      [] { return cuStreamSynchronize(nullptr); });
  }
  {
    Spinner spinner(free_running);
    NEED(cuMemsetD8Async(some, 0, 16, nullptr));
    say_whether_waits("cuStreamSynchronize(NULL), non-blocking stream busy", spinner,
                      [] { return cuStreamSynchronize(nullptr); });
  }
  {
    Spinner spinner(nullptr);
    NEED(cuMemsetD8Async(some, 0, 16, free_running));
    say_whether_waits("non-blocking stream, NULL stream busy", spinner,
                      [&] { return cuStreamSynchronize(free_running); });
  }
  {
    Spinner spinner(nullptr);
    NEED(cuMemsetD8Async(some, 0, 16, blocking));
    say_whether_waits("blocking stream, NULL stream busy", spinner,
                      [&] { return cuStreamSynchronize(blocking); });
  }
  {
    Spinner spinner(CU_STREAM_PER_THREAD);
    NEED(cuMemsetD8Async(some, 0, 16, nullptr));
    say_whether_waits("NULL stream, per-thread stream busy", spinner,
                      [] { return cuStreamSynchronize(nullptr); });
  }
}

PROBE(copies_behind_a_running_kernel) {
  start();
  const CUdeviceptr one = memory();
  const CUdeviceptr two = memory();
  std::vector<char> pageable(1 << 20);
  void *pinned = nullptr;
  NEED(cuMemAllocHost(&pinned, 1 << 20));
  const CUstream on = stream();
  const auto behind = [&](const char *what, CUstream busy_stream,
                          const std::function<CUresult()> &function) {
    Spinner spinner(busy_stream);
    say_whether_waits(what, spinner, function);
    NEED(cuCtxSynchronize());
  };
  constexpr std::size_t large = 1 << 20;
  behind("cuMemcpyDtoD", nullptr, [&] { return cuMemcpyDtoD(one, two, large); });
  behind("cuMemsetD8", nullptr, [&] { return cuMemsetD8(one, 0, large); });
  behind("cuMemcpyHtoD pageable, 1 KiB", nullptr,
         [&] { return cuMemcpyHtoD(one, pageable.data(), 1024); });
  behind("cuMemcpyHtoD pageable, 1 MiB", nullptr,
         [&] { return cuMemcpyHtoD(one, pageable.data(), large); });
  behind("cuMemcpyHtoD pinned", nullptr, [&] { return cuMemcpyHtoD(one, pinned, large); });
  behind("cuMemcpyHtoDAsync pageable, 1 KiB", on,
         [&] { return cuMemcpyHtoDAsync(one, pageable.data(), 1024, on); });
  behind("cuMemcpyHtoDAsync pageable, 1 MiB", on,
         [&] { return cuMemcpyHtoDAsync(one, pageable.data(), large, on); });
  behind("cuMemcpyHtoDAsync pinned", on, [&] { return cuMemcpyHtoDAsync(one, pinned, large, on); });
  behind("cuMemcpyDtoHAsync pageable", on,
         [&] { return cuMemcpyDtoHAsync(pageable.data(), one, large, on); });
  behind("cuMemcpyDtoHAsync pinned", on, [&] { return cuMemcpyDtoHAsync(pinned, one, large, on); });
  behind("cuMemcpyDtoDAsync", on, [&] { return cuMemcpyDtoDAsync(one, two, large, on); });
}

PROBE(event_reuse) {
  start();
  const CUstream first = stream();
  const CUstream second = stream();
  const CUstream waiter = stream();
  const CUevent mark = event();
  Spinner spinner(second);
  NEED(cuEventRecord(mark, first));
  NEED(cuStreamWaitEvent(waiter, mark, 0));
  NEED(cuEventRecord(mark, second));
  say_whether_waits("a wait made before the second record", spinner,
                    [&] { return cuStreamSynchronize(waiter); });
  NEED(cuStreamSynchronize(second));
  say("cuEventQuery after both", cuEventQuery(mark));
}

PROBE(host_function) {
  start();
  static std::atomic<int> result{-1};
  const CUstream on = stream();
  NEED(cuLaunchHostFunc(
      on,
      [](void *) {
        CUdeviceptr some = 0;
        result = cuMemAlloc(&some, 16);
      },
      nullptr));
  NEED(cuStreamSynchronize(on));
  say("cuMemAlloc inside", static_cast<CUresult>(result.load()));
}
