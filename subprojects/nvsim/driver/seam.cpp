// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/seam.hpp"

#include <cstdarg>
#include <cstdlib>
#include <new>
#include <thread>

#include "driver/driver.hpp"

namespace nvsim {

// --- API calls -----------------------------------------------------------------------------

Call::Call(const char *function, unsigned flags) noexcept {
  Driver &driver = Driver::get();
  ThreadState &thread = this_thread();
  outer_ = std::exchange(thread.call, function);
  const std::string_view name = base_name(function);
  if (driver.ended()) {
    result_ = CUDA_ERROR_DEINITIALIZED;
    return;
  }
  driver.pass_freeze();
  if (!thread.contexts.empty()) context_ = thread.contexts.back();
  driver.counters.call(name, thread.number, context_ ? context_->number() : 0);

  if (thread.on_worker) {
    violation("%s called from a host function of a stream", function);
    result_ = CUDA_ERROR_NOT_PERMITTED;
    return;
  }
  if (const auto fault = driver.faults.on_call(name)) {
    switch (fault->kind) {
      case Fault::Kind::skip:
        driver.report.note(format("%s skipped as injected", function));
        return;
      case Fault::Kind::fail:
        driver.report.note(format("%s fails with injected %d", function, fault->code));
        result_ = static_cast<CUresult>(fault->code);
        driver.fail(result_, {});
        return;
      case Fault::Kind::fail_later:
        async_fault_ = static_cast<CUresult>(fault->code);
    }
  }
  if (!(flags & kBeforeInit) && !driver.initialized()) {
    result_ = CUDA_ERROR_NOT_INITIALIZED;
    return;
  }
  if (!(flags & kAfterError) && driver.error() != CUDA_SUCCESS) {
    result_ = driver.error();
    return;
  }
  if (!(flags & kNoContext)) {
    const Lock lock(driver.mutex);
    if (!context_) {
      result_ = CUDA_ERROR_INVALID_CONTEXT;
      return;
    }
    if (!context_->live()) {
      violation("%s with %s current, which was ended by %s", function, context_->name().c_str(),
                context_->ended_by().c_str());
      result_ = CUDA_ERROR_CONTEXT_IS_DESTROYED;
      return;
    }
  }
  admitted_ = true;
}

Call::~Call() {
  if (admitted_ && async_fault_ != CUDA_SUCCESS)
    violation("the fault injected into %s never struck: it submitted no work", this_thread().call);
  this_thread().call = outer_;
}

CUresult Call::code_of_exception() noexcept {
  try {
    throw;
  } catch (const Error &error) {
    return error.code;
  } catch (const std::bad_alloc &) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    violation("nvsim itself failed: %s", error.what());
    return CUDA_ERROR_UNKNOWN;
  }
}

// --- Contexts ------------------------------------------------------------------------------

std::shared_ptr<Context> context_of(CUcontext handle) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  if (auto context = driver.contexts.find(handle)) return context;
  violation(
      "context handle %p %s", static_cast<void *>(handle),
      driver.contexts.was_issued(handle) ? "is of a destroyed context" : "was never given out");
  throw Error{CUDA_ERROR_INVALID_CONTEXT};
}

CUcontext handle_of(const Context &context) {
  return context.handle();
}
int device_of(const Context &context) {
  return context.device();
}

ContextScope::ContextScope(std::shared_ptr<Context> context) {
  this_thread().contexts.push_back(std::move(context));
}
ContextScope::~ContextScope() {
  this_thread().contexts.pop_back();
}

// --- Device memory -------------------------------------------------------------------------

CUdeviceptr allocate(const std::shared_ptr<Context> &context, std::size_t size, std::string tag,
                     Owner owner) {
  if (size == 0) throw Error{CUDA_ERROR_INVALID_VALUE};
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  return driver.allocate(context, size, std::move(tag), owner).base;
}

void release(CUdeviceptr address, const char *by, Release how) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  Allocation *allocation = driver.memory.live_at(address);
  if (how == Release::after_pending && allocation) {
    if (const std::shared_ptr<Context> context = allocation->context.lock()) {
      std::vector<Ticket> tickets;
      for (const auto &stream : context->streams()) tickets.push_back(stream->ticket());
      wait_for(lock, tickets);
      allocation = driver.memory.live_at(address);
    }
  }
  if (!allocation || allocation->base != address) {
    const std::string what = driver.memory.describe(address);
    violation("%s of %#llx, which is not the start of live memory: %s", by,
              static_cast<unsigned long long>(address), what.c_str());
    throw Error{CUDA_ERROR_INVALID_VALUE};
  }
  driver.end_allocation(*allocation, here());
}

std::uint8_t *host_view(CUdeviceptr address) {
  std::uint8_t *view = Driver::get().arena.view(address);
  return view ? view : reinterpret_cast<std::uint8_t *>(address);  // pinned host memory
}

std::size_t pitch_for(std::size_t width) {
  const long unit = setting("PITCH_ALIGN", 512);
  return round_up(width, unit > 0 ? static_cast<std::size_t>(unit) : 512);
}

// --- Work on streams -----------------------------------------------------------------------

Ticket::Ticket() = default;
Ticket::Ticket(std::shared_ptr<const State> state) : state_(std::move(state)) {
}
Ticket::~Ticket() = default;
Ticket::Ticket(const Ticket &) = default;
Ticket &Ticket::operator=(const Ticket &) = default;
Ticket::Ticket(Ticket &&) noexcept = default;
Ticket &Ticket::operator=(Ticket &&) noexcept = default;

std::shared_ptr<Stream> create_stream(const std::shared_ptr<Context> &context, std::string name) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  driver.join_finished(lock);
  std::shared_ptr<Stream> stream =
      driver.add_stream(context, Stream::Kind::non_blocking, std::move(name));
  // The worker and the context hold the stream too; the caller's last reference closes it.
  Stream *const raw = stream.get();
  return std::shared_ptr<Stream>(raw, [stream = std::move(stream)](Stream *) mutable {
    {
      const Lock closing(Driver::get().mutex);
      stream->close();
    }
    stream.reset();
  });
}

std::shared_ptr<Stream> stream_of(Call &call, CUstream handle) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  return find_stream(lock, call, handle);
}

std::shared_ptr<Stream> find_stream(const Lock &, const Call &call, CUstream handle) {
  Driver &driver = Driver::get();
  const bool of_context = !handle || handle == CU_STREAM_LEGACY || handle == CU_STREAM_PER_THREAD;
  if (of_context && !call.context()) throw Error{CUDA_ERROR_INVALID_CONTEXT};
  if (of_context && !call.context()->live()) throw Error{CUDA_ERROR_CONTEXT_IS_DESTROYED};
  if (!handle || handle == CU_STREAM_LEGACY) return driver.null_stream(call.context());
  if (handle == CU_STREAM_PER_THREAD) {
    const ThreadState &thread = this_thread();
    auto &stream = call.context()->thread_streams[thread.number];
    if (!stream)
      stream = driver.add_stream(call.context(), Stream::Kind::blocking,
                                 format("the default stream of thread %llu",
                                        static_cast<unsigned long long>(thread.number)));
    return stream;
  }
  if (auto stream = driver.streams.find(handle)) return stream;
  violation("%s with stream handle %p, which %s", this_thread().call, static_cast<void *>(handle),
            driver.streams.was_issued(handle) ? "is of a destroyed stream" : "was never given out");
  throw Error{CUDA_ERROR_INVALID_HANDLE};
}

Ticket submit(Call &call, const std::shared_ptr<Stream> &stream, Work work) {
  Operation operation;
  operation.work = std::move(work);
  operation.injected = call.take_async_fault();
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  stream->submit(lock, std::move(operation));
  return stream->ticket();
}

Ticket ticket_of(const std::shared_ptr<Stream> &stream) {
  const Lock lock(Driver::get().mutex);
  return stream->ticket();
}

CUresult wait(const Ticket &ticket) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  wait_for(lock, {ticket});
  return driver.error();
}

bool is_past(const Ticket &ticket) {
  Lock lock(Driver::get().mutex);
  return all_past(lock, {ticket});
}

// --- Reports, counters, settings -----------------------------------------------------------

void violation(const char *pattern, ...) {
  std::va_list arguments;
  va_start(arguments, pattern);
  std::string text = vformat(pattern, arguments);
  va_end(arguments);
  if (const char *call = this_thread().call; call && text.rfind(call, 0) != 0)
    text += format(" (in %s)", call);
  Driver::get().report.violation(text + " [" + this_thread_name() + "]");
}

CUresult not_simulated(const char *what) {
  violation("%s is not simulated", what);
  return CUDA_ERROR_NOT_SUPPORTED;
}

void trace(const char *pattern, ...) {
  Report &report = Driver::get().report;
  if (!report.tracing()) return;
  std::va_list arguments;
  va_start(arguments, pattern);
  report.trace(vformat(pattern, arguments));
  va_end(arguments);
}

void count(const char *name, long change) {
  Driver::get().counters.count(name, change);
}

long setting(const char *name, long fallback) {
  const char *value = std::getenv(("NVSIM_" + std::string(name)).c_str());
  return value && *value ? std::strtol(value, nullptr, 0) : fallback;
}

Freeze::Freeze() : active_(Driver::get().settings.destroy_freeze_ms != 0) {
  if (!active_) return;
  Driver &driver = Driver::get();
  driver.begin_freeze();
  std::this_thread::sleep_for(std::chrono::milliseconds(driver.settings.destroy_freeze_ms));
}

Freeze::~Freeze() {
  if (active_) Driver::get().end_freeze();
}

}  // namespace nvsim
