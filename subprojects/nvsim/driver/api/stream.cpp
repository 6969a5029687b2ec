// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Streams and host functions.
#include "driver/driver.hpp"

// Old programs, GStreamer 1.22 among them, ask for the unversioned name.
#undef cuStreamDestroy

using nvsim::api_call;
using nvsim::Call;
using nvsim::Driver;
using nvsim::Lock;
using nvsim::Stream;

namespace nvsim {
namespace {

CUresult create(Call &call, CUstream *handle, unsigned flags, int priority) {
  if (!handle || (flags & ~unsigned{CU_STREAM_NON_BLOCKING})) return CUDA_ERROR_INVALID_VALUE;
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  driver.join_finished(lock);
  const bool non_blocking = flags & CU_STREAM_NON_BLOCKING;
  auto stream = driver.add_stream(
      call.context(), non_blocking ? Stream::Kind::non_blocking : Stream::Kind::blocking,
      format("stream %llu", static_cast<unsigned long long>(driver.next_number())), priority);
  *handle = driver.streams.add(std::move(stream));
  return CUDA_SUCCESS;
}

// The program's streams only: the NULL stream cannot be destroyed.
CUresult destroy(CUstream handle) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const std::shared_ptr<Stream> stream = driver.streams.remove(handle);
  if (!stream) {
    violation("cuStreamDestroy of handle %p, which %s", static_cast<void *>(handle),
              driver.streams.was_issued(handle) ? "is destroyed already" : "was never given out");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  stream->close();
  driver.join_finished(lock);
  return driver.error();
}

void submit_host_function(Call &call, CUstream handle, const char *what,
                          std::function<CUresult()> run) {
  Operation operation;
  operation.work.what = what;
  operation.work.run = std::move(run);
  operation.host_function = true;
  operation.injected = call.take_async_fault();
  Lock lock(Driver::get().mutex);
  find_stream(lock, call, handle)->submit(lock, std::move(operation));
}

}  // namespace
}  // namespace nvsim

NVSIM_API CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &call) { return nvsim::create(call, stream, flags, 0); });
}

NVSIM_API CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &call) { return nvsim::create(call, stream, flags, priority); });
}

NVSIM_API CUresult cuStreamDestroy_v2(CUstream stream) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError,
                  [&](Call &) { return nvsim::destroy(stream); });
}

NVSIM_API CUresult cuStreamDestroy(CUstream stream) {
  return cuStreamDestroy_v2(stream);
}

NVSIM_API CUresult cuStreamSynchronize(CUstream handle) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    Driver &driver = Driver::get();
    Lock lock(driver.mutex);
    nvsim::wait_for(lock, nvsim::find_stream(lock, call, handle)->tickets());
    return driver.error();
  });
}

NVSIM_API CUresult cuStreamQuery(CUstream handle) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    Driver &driver = Driver::get();
    Lock lock(driver.mutex);
    const bool past = nvsim::all_past(lock, nvsim::find_stream(lock, call, handle)->tickets());
    if (driver.error() != CUDA_SUCCESS) return driver.error();
    return past ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
  });
}

NVSIM_API CUresult cuStreamGetFlags(CUstream handle, unsigned *flags) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    if (!flags) return CUDA_ERROR_INVALID_VALUE;
    const bool non_blocking = nvsim::stream_of(call, handle)->kind() == Stream::Kind::non_blocking;
    *flags = non_blocking ? CU_STREAM_NON_BLOCKING : CU_STREAM_DEFAULT;
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuStreamGetPriority(CUstream handle, int *priority) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    if (!priority) return CUDA_ERROR_INVALID_VALUE;
    *priority = nvsim::stream_of(call, handle)->priority();
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuStreamGetCtx(CUstream handle, CUcontext *context) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    if (!context) return CUDA_ERROR_INVALID_VALUE;
    *context = nvsim::stream_of(call, handle)->context()->handle();
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void *data) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    if (!function) return CUDA_ERROR_INVALID_VALUE;
    nvsim::submit_host_function(call, stream, "cuLaunchHostFunc", [=] {
      function(data);
      return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback function, void *data,
                                       unsigned flags) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    if (!function || flags) return CUDA_ERROR_INVALID_VALUE;
    nvsim::submit_host_function(call, stream, "cuStreamAddCallback", [=] {
      function(stream, CUDA_SUCCESS, data);
      return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
  });
}
