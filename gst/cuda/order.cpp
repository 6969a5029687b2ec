// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/order.hpp"

#include <algorithm>
#include <deque>
#include <mutex>

#include "cuda/driver.hpp"

namespace cudacam {
namespace {

constexpr std::size_t kMostContexts = 64;  // far more than any GPU has memory for at once

/// Makes a context current that is not a GstCudaContext.
class CurrentContext {
 public:
  explicit CurrentContext(CUcontext context) { driver().cuCtxPushCurrent(context); }
  ~CurrentContext() {
    CUcontext mine = nullptr;
    driver().cuCtxPopCurrent.quiet(&mine);
  }
  CurrentContext(const CurrentContext &) = delete;
  CurrentContext &operator=(const CurrentContext &) = delete;
};

CUevent make_event(CUcontext context) {
  const CurrentContext scope(context);
  CUevent event = nullptr;
  driver().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING);
  return event;
}

/// A stream can only be marked with an event of its own context, which may be an application's that
/// ends whenever it likes, its events with it. So an event here is touched only while a stream of
/// its context is at hand, is found by the context's number, which is never given out twice, and is
/// never destroyed: it goes with its context.
class Marks {
 public:
  /// The event of the context with this number. Valid until the next call.
  CUevent of(CUcontext context, unsigned long long number) {
    const auto found = std::find_if(marks_.begin(), marks_.end(),
                                    [&](const Mark &mark) { return mark.context == number; });
    if (found != marks_.end()) return found->event;
    const auto event = make_event(context);
    if (marks_.size() == kMostContexts) marks_.pop_front();  // of a context that is long gone
    marks_.push_back({number, event});
    return event;
  }

 private:
  struct Mark {
    unsigned long long context;
    CUevent event;
  };
  std::deque<Mark> marks_;
};

void order_by(CUevent mark, CUstream earlier, CUstream later) {
  driver().cuEventRecord(mark, earlier);
  driver().cuStreamWaitEvent(later, mark, 0u);
}

}  // namespace

void order(CUstream earlier, CUstream later) {
  CUcontext context = nullptr;
  driver().cuStreamGetCtx(earlier, &context);
  if (!driver().cuCtxGetId.available()) {
    // The wait holds what it needs of the event.
    struct Owned {
      ~Owned() { driver().cuEventDestroy.quiet(event); }
      const CUevent event;
    };
    const Owned mark{make_event(context)};
    return order_by(mark.event, earlier, later);
  }
  unsigned long long number = 0;
  driver().cuCtxGetId(context, &number);
  // Guards the marks, each of which is in use from the record to the wait.
  static std::mutex mutex;
  static Marks marks;
  const std::lock_guard lock(mutex);
  order_by(marks.of(context, number), earlier, later);
}

}  // namespace cudacam
