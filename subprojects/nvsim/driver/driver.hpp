// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The simulated driver as a whole: one for each process, made at its first use and never destroyed
// (programs call the driver from their own exit handlers).
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "driver/arena.hpp"
#include "driver/clock.hpp"
#include "driver/context.hpp"
#include "driver/faults.hpp"
#include "driver/handles.hpp"
#include "driver/memory.hpp"
#include "driver/report.hpp"
#include "driver/stream.hpp"

namespace nvsim {

struct Event;
struct Module;
struct Kernel;
class PhysicalMemory;
using PhysicalHandle = struct PhysicalHandleTag *;
struct MemoryPool;

struct Device {
  std::uint64_t limit = 0;
  std::uint64_t used = 0;
  std::shared_ptr<Context> primary;
  unsigned primary_references = 0;
  unsigned primary_flags = 0;
  CUmemoryPool default_pool = nullptr;  // made when asked for
  CUmemoryPool current_pool = nullptr;
  std::vector<bool> peers;  // by ordinal: may be given access to that device's memory
};

// What is set from the environment and by nvsim.h.
struct Settings {
  std::atomic<bool> free_waits{true};
  std::atomic<bool> races{true};
  std::atomic<bool> explicit_handoff{false};
  std::atomic<unsigned> delay_us{0};
  std::atomic<std::uint64_t> delay_seed{1};
  std::atomic<unsigned> destroy_freeze_ms{0};
};

class Driver {
 public:
  static Driver &get();

  // Each of these has locks of its own, leaves.
  Report report;
  Counters counters;
  Faults faults;
  Settings settings;

  // --- State of the process ---

  CUresult initialize();
  bool initialized() const { return initialized_; }
  bool ended() const { return ended_; }

  // The sticky error; success when there is none.
  CUresult error() const { return static_cast<CUresult>(error_.load()); }
  // The first failure stays; `why` is reported as a violation unless empty.
  void fail(CUresult code, const std::string &why);
  void set_error(CUresult code) { error_ = code; }

  // Waits while another thread freezes the driver.
  void pass_freeze();
  void begin_freeze();
  void end_freeze();

  double seconds_since_start() const;

  // --- Everything else, guarded by `mutex` ---

  // Order: before all other locks of nvsim; never held while a Work or a callback of the program
  // runs.
  std::mutex mutex;

  std::vector<Device> devices;
  Parties parties;
  Arena arena;
  Memory memory{arena, parties};

  HandleTable<CUcontext, Context> contexts{1};
  HandleTable<CUstream, Stream> streams{2};
  HandleTable<CUevent, Event> events{3};
  HandleTable<CUmodule, Module> modules{4};
  HandleTable<CUfunction, Kernel> kernels{5};
  HandleTable<CUmemoryPool, MemoryPool> pools{6};
  HandleTable<PhysicalHandle, PhysicalMemory> physical{7};
  std::map<CUdeviceptr, Arena::Block> reservations;  // by address

  // What the program's threads know to be done: each by itself, and all of them together.
  // `handoffs` counts the changes of `known_to_all`.
  std::unordered_map<std::uint64_t, Clock> known_to_thread;
  Clock known_to_all;
  std::uint64_t handoffs = 0;
  void learn(const Clock &clock);

  bool hold_all = false;
  std::condition_variable progress;  // any operation completed; only for nvsim_step
  unsigned steppers = 0;

  std::shared_ptr<Context> create_context(int device, unsigned flags, bool primary);
  // Waits for its work, then ends all that belongs to it.
  void destroy_context(Lock &lock, const std::shared_ptr<Context> &context);
  std::shared_ptr<Stream> add_stream(const std::shared_ptr<Context> &context, Stream::Kind kind,
                                     std::string name, int priority = 0);
  std::vector<std::shared_ptr<Stream>> all_streams() const;
  std::shared_ptr<Stream> null_stream(const std::shared_ptr<Context> &context);

  // Adds the allocation to its device's account.
  Allocation &allocate(const std::shared_ptr<Context> &context, std::size_t size, std::string tag,
                       Owner owner);
  // What cuMemFree waits for: all the work of the memory's context, measured also for work on
  // non-blocking streams. Nothing where the settings say so.
  void wait_for_work_of(Lock &lock, const Allocation &allocation);
  // All streams of the context; of every context of the device.
  void wait_for_context(Lock &lock, const Context &context);
  void wait_for_device(Lock &lock, int device);
  void end_allocation(Allocation &allocation, std::string by);

  // Streams whose thread runs; threads that have ended, joined at the next chance.
  std::unordered_set<Stream *> workers;
  std::vector<std::thread> finished_workers;
  void join_finished(Lock &lock);

  std::uint64_t next_number() { return ++last_number_; }

 private:
  Driver();
  void end_process();
  friend struct ProcessEnd;

  std::atomic<bool> initialized_{false};
  std::atomic<bool> ended_{false};
  std::atomic<int> error_{0};

  std::mutex freeze_mutex_;  // a leaf
  std::condition_variable thawed_;
  std::atomic<unsigned> frozen_{0};
  std::thread::id freezer_;

  const std::chrono::steady_clock::time_point start_;
  std::uint64_t last_number_ = 0;
};

std::int64_t now_ns();

}  // namespace nvsim
