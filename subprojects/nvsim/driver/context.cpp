// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/context.hpp"

#include <pthread.h>

#include <atomic>

#include "driver/driver.hpp"
#include "driver/event.hpp"

namespace nvsim {
namespace {

std::atomic<std::uint64_t> last_thread{0};
std::atomic<bool> driver_in_use{false};

}  // namespace

std::string Context::name() const {
  return format("%scontext %llu of device %d", primary_ ? "primary " : "",
                static_cast<unsigned long long>(number_), device_);
}

std::optional<std::string> Context::problem_with_access_to(const Allocation &allocation) const {
  const std::shared_ptr<Context> owner = allocation.context.lock();
  if (!owner || owner.get() == this || peers.count(owner->number_)) return std::nullopt;
  if (owner->device_ == device_) return std::nullopt;
  return format("access to %s, which belongs to %s, from %s without peer access",
                allocation.name().c_str(), owner->name().c_str(), name().c_str());
}

ThreadState::ThreadState() : number(++last_thread) {
}

ThreadState::~ThreadState() {
  if (!driver_in_use) return;
  Driver &driver = Driver::get();
  driver.counters.thread_ended(number);
  const Lock lock(driver.mutex);
  driver.known_to_thread.erase(number);
}

ThreadState &this_thread() {
  thread_local ThreadState state;
  driver_in_use = true;
  return state;
}

std::string this_thread_name() {
  char name[32] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  return format("thread %llu (%s)", static_cast<unsigned long long>(this_thread().number), name);
}

std::string here() {
  const char *call = this_thread().call;
  return format("%s on %s, %.3f s after start",
                call ? std::string(base_name(call)).c_str() : "nvsim", this_thread_name().c_str(),
                Driver::get().seconds_since_start());
}

std::shared_ptr<Context> Driver::create_context(int device, unsigned flags, bool primary) {
  auto context = std::make_shared<Context>(device, next_number(), flags, primary);
  context->set_handle(contexts.add(context));
  counters.count("context.created", 1);
  counters.count("context.live", 1);
  return context;
}

void Driver::destroy_context(Lock &lock, const std::shared_ptr<Context> &context) {
  // Measured: work in another context of the device is waited for too.
  wait_for_device(lock, context->device());
  if (!contexts.remove(context->handle())) return;  // another thread was faster
  const std::string by = here();
  context->end(by);

  std::vector<CUdeviceptr> left;
  memory.for_each_live([&](Allocation &allocation) {
    // Mappings belong to the process.
    if (allocation.kind != Allocation::Kind::mapping && allocation.context.lock() == context)
      left.push_back(allocation.base);
  });
  for (CUdeviceptr base : left) end_allocation(*memory.live_at(base), by);
  if (!left.empty())
    counters.count("context.memory_left_behind", static_cast<std::int64_t>(left.size()));

  std::vector<CUstream> handles;
  streams.for_each([&](CUstream handle, const std::shared_ptr<Stream> &stream) {
    if (stream->context() == context) handles.push_back(handle);
  });
  for (CUstream handle : handles) streams.remove(handle);
  std::vector<CUevent> its_events;
  events.for_each([&](CUevent handle, const std::shared_ptr<Event> &event) {
    if (event->context == context) its_events.push_back(handle);
  });
  for (CUevent handle : its_events) events.remove(handle);
  counters.count("event.live", -static_cast<std::int64_t>(its_events.size()));
  context->null_stream.reset();
  context->thread_streams.clear();
  for (const auto &stream : context->take_streams()) stream->close();
  counters.context_ended(context->number());
  counters.count("context.live", -1);
}

}  // namespace nvsim
