// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame-path.hpp"

#include <time.h>

#include <condition_variable>
#include <map>
#include <mutex>

#include "base/ptr.hpp"
#ifdef HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT
#endif

namespace cudacam::bench {
namespace {

using Nanoseconds = std::chrono::nanoseconds;
using Acquire = GstFlowReturn(GstBufferPool *, GstBuffer **, GstBufferPoolAcquireParams *);

std::mutex mutex;  // guards all below; what is inside a measured call is touched by one thread
std::condition_variable counted;
std::uint64_t seen = 0, first = 0, last = 0, done = 0, acquired = 0;
Nanoseconds spent{0};
GstPadChainFunction chain = nullptr;
std::map<GType, Acquire *> originals;

Nanoseconds thread_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + Nanoseconds(now.tv_nsec);
}

/// Of the frame that is under way.
bool counts() {
  const std::lock_guard lock(mutex);
  return seen >= first && seen < last;
}

template <class Call>
auto measured(Call &&call) {
  if (!counts()) return call();
  const auto start = thread_time();
  CALLGRIND_TOGGLE_COLLECT;
  const auto result = call();
  CALLGRIND_TOGGLE_COLLECT;
  const auto took = thread_time() - start;
  const std::lock_guard lock(mutex);
  spent += took;
  return result;
}

GstFlowReturn measured_chain(GstPad *pad, GstObject *parent, GstBuffer *frame) {
  const bool one_more = counts();
  const auto flow = measured([&] { return chain(pad, parent, frame); });
  const std::lock_guard lock(mutex);
  ++seen;
  done += one_more;
  counted.notify_all();
  return flow;
}

GstFlowReturn measured_acquire(GstBufferPool *pool, GstBuffer **buffer,
                               GstBufferPoolAcquireParams *params) {
  auto *acquire = originals.at(G_OBJECT_TYPE(pool));
  {
    const std::lock_guard lock(mutex);
    acquired += seen >= first && seen < last;
  }
  return measured([&] { return acquire(pool, buffer, params); });
}

}  // namespace

void FramePath::watch(GstElement *element, std::uint64_t warm_up, std::uint64_t frames) {
  const std::lock_guard lock(mutex);
  seen = done = acquired = 0;
  first = warm_up;
  last = warm_up + frames;
  spent = {};
  const auto pad = adopt(gst_element_get_static_pad(element, "sink"));
  chain = GST_PAD_CHAINFUNC(pad.get());
  gst_pad_set_chain_function(pad.get(), measured_chain);
}

void FramePath::watch_pools(GType type) {
  if (!type || originals.count(type)) return;
  auto *klass = GST_BUFFER_POOL_CLASS(g_type_class_ref(type));  // for ever
  originals[type] = klass->acquire_buffer;
  klass->acquire_buffer = measured_acquire;
}

std::uint64_t FramePath::frames() {
  const std::lock_guard lock(mutex);
  return done;
}

std::uint64_t FramePath::acquires() {
  const std::lock_guard lock(mutex);
  return acquired;
}

Nanoseconds FramePath::time() {
  const std::lock_guard lock(mutex);
  return spent;
}

bool FramePath::await() {
  std::unique_lock lock(mutex);
  while (seen < last) {
    const auto before = seen;
    if (!counted.wait_for(lock, std::chrono::minutes(1), [&] { return seen != before; }))
      return false;
  }
  return true;
}

}  // namespace cudacam::bench
