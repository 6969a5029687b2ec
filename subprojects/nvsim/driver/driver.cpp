// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/driver.hpp"

#include <cstdlib>
#include <cstring>

#include "driver/trap.hpp"

namespace nvsim {
namespace {

constexpr long kMaxDevices = 64;
constexpr long kDefaultMemoryMiB = 8192;

// "all", "none", or pairs such as "0-1,1-2".
void set_peers(std::vector<Device> &devices, const char *matrix) {
  const std::size_t count = devices.size();
  const bool all = !matrix || !*matrix || !std::strcmp(matrix, "all");
  for (std::size_t i = 0; i < count; ++i) {
    devices[i].peers.assign(count, all);
    devices[i].peers[i] = false;
  }
  if (all || !std::strcmp(matrix, "none")) return;
  for (const char *rest = matrix; rest && *rest;) {
    unsigned a = 0;
    unsigned b = 0;
    if (std::sscanf(rest, "%u-%u", &a, &b) != 2 || a >= count || b >= count || a == b) {
      violation("NVSIM_PEERS=%s is not understood", matrix);
      return;
    }
    devices[a].peers[b] = devices[b].peers[a] = true;
    rest = std::strchr(rest, ',');
    if (rest) ++rest;
  }
}

}  // namespace

// Ends the workers at the process's end, and says what NVSIM_SUMMARY and NVSIM_EXIT_CODE ask for.
struct ProcessEnd {
  ~ProcessEnd() { Driver::get().end_process(); }
};

Driver &Driver::get() {
  static Driver *const driver = new Driver;
  static ProcessEnd at_end;
  return *driver;
}

Driver::Driver() : start_(std::chrono::steady_clock::now()) {
}

CUresult Driver::initialize() {
  const Lock lock(mutex);
  if (initialized_) return devices.empty() ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS;
  const long count = setting("DEVICES", 1);
  if (count > kMaxDevices) {
    violation("NVSIM_DEVICES=%ld: at most %ld", count, kMaxDevices);
    return CUDA_ERROR_NO_DEVICE;
  }
  devices.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  for (Device &device : devices)
    device.limit = static_cast<std::uint64_t>(setting("MEM_MB", kDefaultMemoryMiB)) << 20;
  set_peers(devices, std::getenv("NVSIM_PEERS"));

  settings.free_waits = setting("FREE_WAITS", 1) != 0;
  settings.races = setting("RACES", 1) != 0;
  settings.delay_us = static_cast<unsigned>(setting("DELAY_US", 0));
  settings.delay_seed = static_cast<std::uint64_t>(setting("SEED", 1));
  settings.destroy_freeze_ms = static_cast<unsigned>(setting("DESTROY_FREEZE_MS", 0));
  if (const char *spec = std::getenv("NVSIM_FAULT"); spec && *spec && !faults.add(spec))
    violation("NVSIM_FAULT=%s is not understood", spec);

  install_trap();
  initialized_ = true;
  return devices.empty() ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS;
}

void Driver::fail(CUresult code, const std::string &why) {
  int none = CUDA_SUCCESS;
  if (is_sticky(code)) error_.compare_exchange_strong(none, code);
  if (!why.empty()) report.violation(why);
}

void Driver::pass_freeze() {
  if (frozen_ == 0) return;
  std::unique_lock<std::mutex> lock(freeze_mutex_);
  if (frozen_ == 0 || freezer_ == std::this_thread::get_id()) return;
  const CountedScope frozen(counters, "thread.frozen");
  thawed_.wait(lock, [&] { return frozen_ == 0 || freezer_ == std::this_thread::get_id(); });
}

void Driver::begin_freeze() {
  std::unique_lock<std::mutex> lock(freeze_mutex_);
  thawed_.wait(lock, [&] { return frozen_ == 0 || freezer_ == std::this_thread::get_id(); });
  ++frozen_;
  freezer_ = std::this_thread::get_id();
}

void Driver::end_freeze() {
  const std::lock_guard<std::mutex> lock(freeze_mutex_);
  if (--frozen_ == 0) {
    freezer_ = {};
    thawed_.notify_all();
  }
}

double Driver::seconds_since_start() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Driver::learn(const Clock &clock) {
  known_to_thread[this_thread().number].join(clock, parties);
  known_to_all.join(clock, parties);
  ++handoffs;
}

std::shared_ptr<Stream> Driver::add_stream(const std::shared_ptr<Context> &context,
                                           Stream::Kind kind, std::string name, int priority) {
  auto stream = std::make_shared<Stream>(context, kind, std::move(name), priority);
  stream->attach();
  context->add_stream(stream);
  counters.count("stream.created", 1);
  counters.count("stream.live", 1);
  return stream;
}

std::vector<std::shared_ptr<Stream>> Driver::all_streams() const {
  std::vector<std::shared_ptr<Stream>> all;
  contexts.for_each([&](CUcontext, const std::shared_ptr<Context> &context) {
    all.insert(all.end(), context->streams().begin(), context->streams().end());
  });
  return all;
}

std::shared_ptr<Stream> Driver::null_stream(const std::shared_ptr<Context> &context) {
  if (!context->null_stream)
    context->null_stream =
        add_stream(context, Stream::Kind::null, "the NULL stream of " + context->name());
  return context->null_stream;
}

Allocation &Driver::allocate(const std::shared_ptr<Context> &context, std::size_t size,
                             std::string tag, Owner owner) {
  Device &device = devices[static_cast<std::size_t>(context->device())];
  const std::size_t bytes = round_up(size, kPage);
  if (bytes < size || device.used > device.limit || bytes > device.limit - device.used)
    throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  Allocation &allocation = memory.allocate(size, std::move(tag));
  allocation.owner = owner;
  allocation.device = context->device();
  allocation.context = context;
  device.used += allocation.block.bytes;
  counters.count("memory.allocated", 1);
  counters.count("memory.live", 1);
  counters.count("memory.bytes", static_cast<std::int64_t>(allocation.block.bytes));
  return allocation;
}

void Driver::wait_for_work_of(Lock &lock, const Allocation &allocation) {
  const std::shared_ptr<Context> context = allocation.context.lock();
  if (context && settings.free_waits) wait_for_context(lock, *context);
}

void Driver::wait_for_context(Lock &lock, const Context &context) {
  std::vector<Ticket> tickets;
  for (const auto &stream : context.streams()) tickets.push_back(stream->ticket());
  wait_for(lock, tickets);
}

void Driver::wait_for_device(Lock &lock, int device) {
  std::vector<Ticket> tickets;
  for (const auto &stream : all_streams())
    if (stream->context()->device() == device) tickets.push_back(stream->ticket());
  wait_for(lock, tickets);
}

void Driver::end_allocation(Allocation &allocation, std::string by) {
  if (allocation.running)
    fail(CUDA_ERROR_ILLEGAL_ADDRESS,
         format("%s ended %s while work that uses it ran", by.c_str(), allocation.name().c_str()));
  if (allocation.kind == Allocation::Kind::device) {
    devices[static_cast<std::size_t>(allocation.device)].used -= allocation.block.bytes;
    counters.count("memory.freed", 1);
    counters.count("memory.live", -1);
    counters.count("memory.bytes", -static_cast<std::int64_t>(allocation.block.bytes));
  }
  memory.end(allocation, std::move(by));
}

// The threads have moved themselves into the list as the last thing they did with the lock held.
void Driver::join_finished(Lock &lock) {
  std::vector<std::thread> finished = std::exchange(finished_workers, {});
  if (finished.empty()) return;
  lock.unlock();
  for (std::thread &thread : finished) thread.join();
  lock.lock();
}

void Driver::end_process() {
  if (initialized_) {
    Lock lock(mutex);
    ended_ = true;
    for (Stream *stream : workers) stream->look_again();
    // A host function of the program may never return: the process ends without its thread.
    progress.wait_for(lock, std::chrono::seconds(2), [&] { return workers.empty(); });
    join_finished(lock);
  }
  if (const char *path = std::getenv("NVSIM_SUMMARY"); path && *path) {
    std::FILE *file = std::strcmp(path, "-") ? std::fopen(path, "we") : stderr;
    if (file) {
      std::fprintf(file, "violations %u\n%s", report.violations(), counters.summary().c_str());
      if (file != stderr) std::fclose(file);
    }
  }
  const long code = setting("EXIT_CODE", 0);
  if (code != 0 && report.violations() > 0) {
    std::fflush(nullptr);
    std::_Exit(static_cast<int>(code));
  }
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace nvsim
