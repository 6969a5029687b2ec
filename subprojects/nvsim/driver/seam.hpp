// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The seam between the simulated driver (libcuda.so.1) and the libraries that stand on it
// (libnvcuvid.so.1). Only what is declared here crosses from one shared object to the other.
//
//   program ──> API function ──> api_call()      counters, injected faults, the sticky error,
//                   │                            the driver-wide freeze
//                   ├──> allocate / release      device memory; the program's view of it is
//                   │                            inaccessible, host_view() is the workers' view
//                   └──> submit(stream, Work)    accesses are checked for races here, at once;
//                            │                   order is fixed here
//                            └──> worker thread  waits for the stream's turn and for `after`,
//                                                checks the accesses against live memory, runs
//
// Locks: the driver has one mutex; nothing declared here may be called with it held, and a Work
// runs without it. Exceptions stay inside: throw Error from an API body, return a code from Work.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#define NVSIM_PUBLIC __attribute__((visibility("default")))
#define NVSIM_API extern "C" NVSIM_PUBLIC

namespace nvsim {

class Context;
class Stream;

// Ends an API call with a CUresult.
struct Error {
  CUresult code;
};

// --- API calls -----------------------------------------------------------------------------

enum CallFlags : unsigned {
  kNeedsContext = 0,      // refused without a current context, and after a sticky error
  kNoContext = 1u << 0,   // works without a current context
  kAfterError = 1u << 1,  // works although the process's GPU work has failed
  kBeforeInit = 1u << 2,  // works before cuInit
};

// One API call in progress, on the calling thread's stack. May nest: a callback of
// cuvidParseVideoData makes calls of its own.
class NVSIM_PUBLIC Call {
 public:
  // `function` is a literal or __func__; a "_v2" at its end is not part of the name that faults
  // and counters use.
  Call(const char *function, unsigned flags) noexcept;
  ~Call();
  Call(const Call &) = delete;
  Call &operator=(const Call &) = delete;

  // False where the call must return result() at once: an injected fault, no context, sticky.
  bool admitted() const { return admitted_; }
  CUresult result() const { return result_; }

  // The current context; empty only for kNoContext calls.
  const std::shared_ptr<Context> &context() const { return context_; }

  // The asynchronous fault injected into this call, handed to the first Work it submits.
  CUresult take_async_fault() { return std::exchange(async_fault_, CUDA_SUCCESS); }

  // To be called from a catch (...): the code of the exception in flight.
  static CUresult code_of_exception() noexcept;

 private:
  const char *outer_ = nullptr;  // the call that this one is made from
  std::shared_ptr<Context> context_;
  CUresult result_ = CUDA_SUCCESS;
  CUresult async_fault_ = CUDA_SUCCESS;
  bool admitted_ = false;
};

// How every exported function looks:
//   NVSIM_API CUresult cuFoo(int n) {
//     return nvsim::api_call(__func__, nvsim::kNeedsContext, [&](nvsim::Call &call) { … });
//   }
// The body returns a CUresult, or nothing for success; it may throw Error and std::bad_alloc.
template <typename Body>
CUresult api_call(const char *function, unsigned flags, Body &&body) noexcept {
  Call call(function, flags);
  if (!call.admitted()) return call.result();
  try {
    if constexpr (std::is_void_v<decltype(body(call))>) {
      body(call);
      return CUDA_SUCCESS;
    } else {
      return body(call);
    }
  } catch (...) {
    return Call::code_of_exception();
  }
}

// --- Contexts ------------------------------------------------------------------------------

// Throws Error{CUDA_ERROR_INVALID_CONTEXT}, and reports, when the handle is not a live context.
NVSIM_PUBLIC std::shared_ptr<Context> context_of(CUcontext handle);
NVSIM_PUBLIC CUcontext handle_of(const Context &context);
NVSIM_PUBLIC int device_of(const Context &context);

// Makes `context` current to the calling thread while it lives; for work done in the name of a
// context that is not the caller's.
class NVSIM_PUBLIC ContextScope {
 public:
  explicit ContextScope(std::shared_ptr<Context> context);
  ~ContextScope();
  ContextScope(const ContextScope &) = delete;
  ContextScope &operator=(const ContextScope &) = delete;
};

// --- Device memory -------------------------------------------------------------------------

enum class Owner {
  program,  // cuMemFree frees it
  driver,   // a surface: cuMemFree refuses it, release() ends it
};

enum class Release {
  now,            // work already submitted that uses it will fail with an illegal address
  after_pending,  // as cuMemFree: waits for all the work submitted to the device first
};

// `tag` names the memory in reports ("surface 3 of decoder 2"). Contents are undefined (a byte
// pattern). Throws Error{CUDA_ERROR_OUT_OF_MEMORY} over the device's limit.
NVSIM_PUBLIC CUdeviceptr allocate(const std::shared_ptr<Context> &context, std::size_t size,
                                  std::string tag, Owner owner = Owner::driver);

// `by` is kept for reports of later use ("cuvidDestroyDecoder"). The address is never used again.
NVSIM_PUBLIC void release(CUdeviceptr address, const char *by, Release how = Release::now);

// The bytes behind a device address, for Work that runs on a stream worker and has declared an
// access to them. Not for the program's threads: what the GPU writes, the host must not see.
NVSIM_PUBLIC std::uint8_t *host_view(CUdeviceptr address);

// The row pitch that cuMemAllocPitch would choose (NVSIM_PITCH_ALIGN, 512 by default).
NVSIM_PUBLIC std::size_t pitch_for(std::size_t width_in_bytes);

// --- Work on streams -----------------------------------------------------------------------

// One access to device memory: `height` rows of `width` bytes, `pitch` apart. Declare one for
// every plane: accesses to different rectangles of one allocation do not race.
struct Access {
  CUdeviceptr address = 0;
  std::size_t pitch = 0;
  std::size_t width = 0;
  std::size_t height = 0;
  bool write = false;
};

inline Access reads(CUdeviceptr address, std::size_t pitch, std::size_t width, std::size_t height) {
  return {address, pitch, width, height, false};
}
inline Access writes(CUdeviceptr address, std::size_t pitch, std::size_t width,
                     std::size_t height) {
  return {address, pitch, width, height, true};
}

// A point in a stream's work: everything submitted to it up to there. Cheap to copy; outlives
// the stream. An empty one is long past.
class NVSIM_PUBLIC Ticket {
 public:
  struct State;
  Ticket();
  explicit Ticket(std::shared_ptr<const State> state);
  ~Ticket();
  Ticket(const Ticket &);
  Ticket &operator=(const Ticket &);
  Ticket(Ticket &&) noexcept;
  Ticket &operator=(Ticket &&) noexcept;
  const State *state() const { return state_.get(); }

 private:
  std::shared_ptr<const State> state_;
};

struct Work {
  std::string what;               // for reports: "nvdec post-processing, decoder 2"
  std::vector<Access> accesses;   // all that `run` touches
  std::vector<Ticket> after;      // not run before these are past; orders the accesses too
  std::function<CUresult()> run;  // on the stream's worker; a code but 0 is a GPU failure: sticky
  // Always called once, on the worker, after `run` or instead of it (failed process). May be empty.
  std::function<void()> done;
};

// A stream of the driver's own, such as a decoder's engine: non-blocking, joined when the last
// reference goes after its work is done. `name` appears in reports.
NVSIM_PUBLIC std::shared_ptr<Stream> create_stream(const std::shared_ptr<Context> &context,
                                                   std::string name);

// The program's stream behind a handle: NULL is the current context's NULL stream. Throws
// Error{CUDA_ERROR_INVALID_HANDLE}, and reports, for a stream that is not live.
NVSIM_PUBLIC std::shared_ptr<Stream> stream_of(Call &call, CUstream handle);

// Appends to the stream and returns at once. Takes the call's injected asynchronous fault.
NVSIM_PUBLIC Ticket submit(Call &call, const std::shared_ptr<Stream> &stream, Work work);

// Where the stream stands now.
NVSIM_PUBLIC Ticket ticket_of(const std::shared_ptr<Stream> &stream);

// Blocks the calling thread until the ticket is past; the thread then knows that work to be done.
// Returns the sticky error.
NVSIM_PUBLIC CUresult wait(const Ticket &ticket);

// True when the ticket is past; as with wait, the thread then knows.
NVSIM_PUBLIC bool is_past(const Ticket &ticket);

// --- Reports, counters, settings -----------------------------------------------------------

// A misuse by the program: reported once, with the current API call and thread. Does not fail the
// GPU by itself; return an error code from the call.
NVSIM_PUBLIC void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A request for something that is not simulated: reported, and CUDA_ERROR_NOT_SUPPORTED.
NVSIM_PUBLIC CUresult not_simulated(const char *what);

// A line of the trace (NVSIM_TRACE).
NVSIM_PUBLIC void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Named counters, read by nvsim_counter(): "decoder.created", "decoder.live".
NVSIM_PUBLIC void count(const char *name, long change = 1);

// NVSIM_<name> of the environment as a number, read anew on each call.
NVSIM_PUBLIC long setting(const char *name, long fallback);

// The freeze seen on Windows while a decoder is destroyed: every other driver call of the process
// waits. The destructor ends it.
class NVSIM_PUBLIC Freeze {
 public:
  // Lasts at least the time set by nvsim_set_destroy_freeze_ms or NVSIM_DESTROY_FREEZE_MS (0:
  // none).
  Freeze();
  ~Freeze();
  Freeze(const Freeze &) = delete;
  Freeze &operator=(const Freeze &) = delete;

 private:
  bool active_ = false;
};

}  // namespace nvsim
