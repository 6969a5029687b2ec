// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Execution: the thread of a stream, holds and single steps.
#include <algorithm>
#include <chrono>

#include "driver/driver.hpp"
#include "driver/simulated_memory.hpp"
#include "driver/stream.hpp"
#include "driver/trap.hpp"

namespace nvsim {
namespace {

CUresult run_kernel(const Operation &operation, std::string *problem) {
  struct Run {
    const std::function<CUresult()> &function;
    CUresult result;
  } run{operation.work.run, CUDA_SUCCESS};
  const void *fault = nullptr;
  const bool finished = run_trapped(
      [](void *argument) {
        auto *self = static_cast<Run *>(argument);
        // A trap skips its end, and ThreadSanitizer ends it itself.
        const SimulatedMemoryScope scope;
        self->result = self->function();
      },
      &run, &fault);
  if (finished) return run.result;

  Driver &driver = Driver::get();
  const auto value = reinterpret_cast<std::uint64_t>(fault);
  const std::uint64_t address = driver.arena.address_of(fault);
  const Lock lock(driver.mutex);
  if (address)
    *problem = "access to " + driver.memory.describe(address);
  else if (driver.arena.contains(value))
    *problem = "a device address that did not come as a kernel argument was used: " +
               driver.memory.describe(value) + " (see nvsim/kernel.hpp)";
  else
    *problem = format("access to %p", fault);
  return CUDA_ERROR_ILLEGAL_ADDRESS;
}

}  // namespace

void Stream::work() {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  for (;;) {
    wake_.wait(lock,
               [&] { return driver.ended() || may_start(true) || (closing_ && queue_.empty()); });
    if (driver.ended() || queue_.empty()) break;
    Operation operation = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    if (steps_) --steps_;
    execute(lock, operation);
    if (Allocation *ending = driver.memory.live_at(operation.ends))
      driver.end_allocation(*ending, operation.ended_by);
    busy_ = false;
    complete(operation);
  }
  if (closing_) driver.parties.retire(timeline_->party);
  driver.finished_workers.push_back(std::move(worker_));
  driver.workers.erase(this);
  driver.progress.notify_all();
}

// With `watch`, asks to be woken when what it waits for comes about.
bool Stream::may_start(bool watch) {
  if (queue_.empty()) return false;
  if ((held_ || Driver::get().hold_all) && steps_ == 0) return false;
  auto &after = queue_.front().work.after;
  while (!after.empty() && after.back().state()->past()) after.pop_back();
  if (after.empty()) return true;
  if (watch) {
    auto &waiters = after.back().state()->timeline->waiters;
    const std::shared_ptr<Stream> self = shared_from_this();
    if (std::find(waiters.begin(), waiters.end(), self) == waiters.end()) waiters.push_back(self);
  }
  return false;
}

void Stream::execute(Lock &lock, Operation &operation) {
  Driver &driver = Driver::get();
  if (const unsigned limit = driver.settings.delay_us) {
    const auto delay = std::chrono::microseconds(delays_() % (limit + 1));
    lock.unlock();
    std::this_thread::sleep_for(delay);
    lock.lock();
  }

  const char *what = operation.work.what.c_str();
  std::vector<CUdeviceptr> used;
  if (driver.error() == CUDA_SUCCESS) {
    for (const Access &access : operation.work.accesses) {
      if (auto problem = driver.memory.problem_with(access, *context_, operation.kernel)) {
        driver.fail(CUDA_ERROR_ILLEGAL_ADDRESS, format("illegal address in '%s' on %s: %s", what,
                                                       name().c_str(), problem->c_str()));
        break;
      }
      if (Allocation *allocation = driver.memory.live_at(access.address))
        used.push_back(allocation->base);
    }
  }
  if (driver.error() == CUDA_SUCCESS && operation.injected != CUDA_SUCCESS) {
    driver.report.note(
        format("injected fault %d in '%s' on %s", operation.injected, what, name().c_str()));
    driver.fail(operation.injected, {});
  }

  const bool run = driver.error() == CUDA_SUCCESS && operation.work.run;
  if (!run && !operation.work.done) return;
  for (CUdeviceptr base : used) driver.memory.operation_begins(*driver.memory.live_at(base));
  if (operation.host_function) driver.learn(operation.known);
  lock.unlock();
  if (run) {
    this_thread().on_worker = operation.host_function;
    std::string problem;
    const CUresult result =
        operation.kernel ? run_kernel(operation, &problem) : operation.work.run();
    this_thread().on_worker = false;
    if (result != CUDA_SUCCESS) {
      if (problem.empty()) problem = format("error %d", result);
      driver.fail(result, format("'%s' on %s failed: %s", what, name().c_str(), problem.c_str()));
    }
  }
  if (operation.work.done) operation.work.done();
  // What they captured may end streams of its own, which takes the lock.
  operation.work.run = nullptr;
  operation.work.done = nullptr;
  lock.lock();
  for (CUdeviceptr base : used) driver.memory.operation_ended(base);
}

void Stream::hold(bool on) {
  held_ = on;
  wake_.notify_all();
}

bool Stream::is_stuck() const {
  if (busy_) return false;
  if (queue_.empty()) return true;
  if ((held_ || Driver::get().hold_all) && steps_ == 0) return true;
  const auto &after = queue_.front().work.after;
  return std::any_of(after.begin(), after.end(), [](const Ticket &ticket) {
    if (ticket.state()->past()) return false;
    const std::shared_ptr<Stream> other = ticket.state()->timeline->stream.lock();
    return !other || other->is_stuck();
  });
}

int Stream::step(Lock &lock, unsigned count) {
  Driver &driver = Driver::get();
  const std::uint64_t start = timeline_->completed;
  steps_ = count;
  wake_.notify_all();
  ++driver.steppers;
  driver.progress.wait(lock, [&] { return (steps_ == 0 && !busy_) || is_stuck(); });
  --driver.steppers;
  steps_ = 0;
  return static_cast<int>(timeline_->completed - start);
}

}  // namespace nvsim
