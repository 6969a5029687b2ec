// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Events, interprocess ones included.
#include "driver/event.hpp"

#include "driver/driver.hpp"
#include "driver/shared_event.hpp"

// Old programs ask for the unversioned names.
#undef cuEventDestroy
#undef cuEventElapsedTime

using nvsim::api_call;
using nvsim::Call;
using nvsim::Driver;
using nvsim::Event;
using nvsim::Lock;

namespace nvsim {
namespace {

std::shared_ptr<Event> event_of(const Lock &, CUevent handle) {
  Driver &driver = Driver::get();
  if (auto event = driver.events.find(handle)) return event;
  violation("%s with event handle %p, which %s", this_thread().call, static_cast<void *>(handle),
            driver.events.was_issued(handle) ? "is of a destroyed event" : "was never given out");
  throw Error{CUDA_ERROR_INVALID_HANDLE};
}

CUevent add_event(Call &call, unsigned flags, std::shared_ptr<SharedEvent> shared) {
  auto event = std::make_shared<Event>();
  event->context = call.context();
  event->flags = flags;
  event->shared = std::move(shared);
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  driver.counters.count("event.created", 1);
  driver.counters.count("event.live", 1);
  return driver.events.add(std::move(event));
}

CUresult record(Call &call, CUevent handle, CUstream stream_handle) {
  Lock lock(Driver::get().mutex);
  const std::shared_ptr<Event> event = event_of(lock, handle);
  const std::shared_ptr<Stream> stream = find_stream(lock, call, stream_handle);
  if (event->context != stream->context()) return CUDA_ERROR_INVALID_HANDLE;

  Operation operation;
  operation.work.what = "cuEventRecord";
  operation.injected = call.take_async_fault();
  if (!(event->flags & CU_EVENT_DISABLE_TIMING))
    operation.stamp = std::make_shared<std::atomic<std::int64_t>>(0);
  event->stamp = operation.stamp;
  if (event->shared)
    operation.work.run = [shared = event->shared, number = event->shared->record()] {
      shared->complete(number);
      return CUDA_SUCCESS;
    };
  stream->submit(lock, std::move(operation));
  event->ticket = stream->ticket();
  event->recorded = true;
  return CUDA_SUCCESS;
}

// The record that counts is the latest one made before this call.
CUresult make_stream_wait(Call &call, CUstream stream_handle, CUevent handle) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const std::shared_ptr<Event> event = event_of(lock, handle);
  const std::shared_ptr<Stream> stream = find_stream(lock, call, stream_handle);
  if (!event->recorded && !event->shared) return CUDA_SUCCESS;

  Operation operation;
  operation.work.what = "cuStreamWaitEvent";
  operation.injected = call.take_async_fault();
  if (event->recorded) operation.work.after.push_back(event->ticket);
  if (event->shared)
    operation.work.run = [shared = event->shared, number = event->shared->latest()] {
      shared->wait(number, [] { return Driver::get().ended(); });
      return CUDA_SUCCESS;
    };
  stream->submit(lock, std::move(operation));
  return CUDA_SUCCESS;
}

CUresult query(CUevent handle) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const std::shared_ptr<Event> event = event_of(lock, handle);
  bool past = !event->shared || event->shared->is_complete(event->shared->latest());
  if (past && event->recorded) past = all_past(lock, {event->ticket});
  if (driver.error() != CUDA_SUCCESS) return driver.error();
  return past ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult synchronize(CUevent handle) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const std::shared_ptr<Event> event = event_of(lock, handle);
  const Ticket ticket = event->ticket;
  if (event->shared) {
    const std::uint64_t number = event->shared->latest();
    lock.unlock();
    event->shared->wait(number, [] { return Driver::get().ended(); });
    lock.lock();
  }
  wait_for(lock, {ticket});
  return driver.error();
}

CUresult elapsed(float *milliseconds, CUevent start, CUevent end) {
  if (!milliseconds) return CUDA_ERROR_INVALID_VALUE;
  const Lock lock(Driver::get().mutex);
  const std::shared_ptr<Event> first = event_of(lock, start);
  const std::shared_ptr<Event> last = event_of(lock, end);
  if (!first->stamp || !last->stamp) return CUDA_ERROR_INVALID_HANDLE;
  if (*first->stamp == 0 || *last->stamp == 0) return CUDA_ERROR_NOT_READY;
  *milliseconds = static_cast<float>(*last->stamp - *first->stamp) / 1e6f;
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace nvsim

NVSIM_API CUresult cuEventCreate(CUevent *handle, unsigned flags) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    constexpr unsigned known =
        CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
    if (!handle || (flags & ~known)) return CUDA_ERROR_INVALID_VALUE;
    const bool interprocess = flags & CU_EVENT_INTERPROCESS;
    if (interprocess && !(flags & CU_EVENT_DISABLE_TIMING)) return CUDA_ERROR_INVALID_VALUE;
    *handle = nvsim::add_event(call, flags, interprocess ? nvsim::SharedEvent::create() : nullptr);
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuEventDestroy_v2(CUevent handle) {
  return api_call(__func__, nvsim::kNoContext | nvsim::kAfterError, [&](Call &) {
    Driver &driver = Driver::get();
    const Lock lock(driver.mutex);
    nvsim::event_of(lock, handle);
    driver.events.remove(handle);
    driver.counters.count("event.live", -1);
    return driver.error();
  });
}

NVSIM_API CUresult cuEventDestroy(CUevent event) {
  return cuEventDestroy_v2(event);
}

NVSIM_API CUresult cuEventRecord(CUevent event, CUstream stream) {
  return api_call(__func__, nvsim::kNoContext,
                  [&](Call &call) { return nvsim::record(call, event, stream); });
}

NVSIM_API CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    if (flags) return nvsim::not_simulated("flags of cuEventRecordWithFlags");
    return nvsim::record(call, event, stream);
  });
}

NVSIM_API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    if (flags) return nvsim::not_simulated("flags of cuStreamWaitEvent");
    return nvsim::make_stream_wait(call, stream, event);
  });
}

NVSIM_API CUresult cuEventQuery(CUevent event) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) { return nvsim::query(event); });
}

NVSIM_API CUresult cuEventSynchronize(CUevent event) {
  return api_call(__func__, nvsim::kNoContext, [&](Call &) { return nvsim::synchronize(event); });
}

NVSIM_API CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
  return api_call(__func__, nvsim::kNoContext,
                  [&](Call &) { return nvsim::elapsed(milliseconds, start, end); });
}
NVSIM_API CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end) {
  return api_call(__func__, nvsim::kNoContext,
                  [&](Call &) { return nvsim::elapsed(milliseconds, start, end); });
}

NVSIM_API CUresult cuIpcGetEventHandle(CUipcEventHandle *out, CUevent handle) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &) {
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    const Lock lock(Driver::get().mutex);
    const std::shared_ptr<Event> event = nvsim::event_of(lock, handle);
    if (!event->shared) return CUDA_ERROR_INVALID_HANDLE;
    *out = event->shared->handle();
    return CUDA_SUCCESS;
  });
}

NVSIM_API CUresult cuIpcOpenEventHandle(CUevent *out, CUipcEventHandle handle) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = nvsim::add_event(call, CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS,
                            nvsim::SharedEvent::open(handle));
    return CUDA_SUCCESS;
  });
}
