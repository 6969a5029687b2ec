// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Streams and the threads that work on them. All guarded by the driver's mutex.
//
// Order is fixed when work is submitted: an operation carries the tickets it waits for, and the
// stream's clock says what it comes after. The worker only waits and executes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "driver/clock.hpp"
#include "driver/seam.hpp"

namespace nvsim {

using Lock = std::unique_lock<std::mutex>;

// How far a stream has come. Outlives the stream, in tickets.
struct Timeline {
  Timeline(Party party_, std::string name_) : party(party_), name(std::move(name_)) {}

  const Party party;
  const std::string name;
  std::uint64_t submitted = 0;  // also the party's tick
  std::uint64_t completed = 0;
  std::condition_variable advanced;
  // Streams to wake at the next completion.
  std::vector<std::shared_ptr<Stream>> waiters;
  std::weak_ptr<Stream> stream;
};

struct Ticket::State {
  std::shared_ptr<Timeline> timeline;
  std::uint64_t position = 0;
  Clock clock;  // what the work up to there comes after, itself included

  bool past() const { return timeline->completed >= position; }
};

// How an operation is to be executed, beyond what Work says.
struct Operation {
  Work work;
  CUresult injected = CUDA_SUCCESS;
  bool kernel = false;  // memory traps end it; must hold nothing that needs unwinding
  bool host_function = false;
  Clock known;  // to who runs a host function: what it comes after
  std::shared_ptr<std::atomic<std::int64_t>> stamp;  // steady time of completion, in ns
  CUdeviceptr ends = 0;  // memory that is taken away when the operation is done
  std::string ended_by;
  std::uint64_t position = 0;
};

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  enum class Kind { null, blocking, non_blocking };

  Stream(std::shared_ptr<Context> context, Kind kind, std::string name, int priority);
  // To be called once, when the stream is held by a shared pointer.
  void attach() { timeline_->stream = weak_from_this(); }

  const std::shared_ptr<Context> &context() const { return context_; }
  Kind kind() const { return kind_; }
  int priority() const { return priority_; }
  const std::string &name() const { return timeline_->name; }
  const Timeline &timeline() const { return *timeline_; }

  void submit(Lock &lock, Operation operation);
  Ticket ticket() const;
  // What a wait for this stream waits for. The NULL stream stands for the blocking streams too.
  std::vector<Ticket> tickets() const;
  bool idle() const { return timeline_->completed == timeline_->submitted; }

  // No more work will come; what is queued is still done, then the worker ends.
  void close();

  // Starts the stream's sequence of delays anew from the current seed.
  void seed_delays();
  void hold(bool on);
  int step(Lock &lock, unsigned count);
  // Something that all streams look at has changed: holds, the end of the process.
  void look_again() { wake_.notify_all(); }

 private:
  void order_after_null_stream(Operation &operation);
  void order_after(Operation &operation, const Ticket &ticket);
  void check_races(const Operation &operation);
  bool completes_at_once(const Operation &operation) const;
  void complete(const Operation &operation);

  void work();
  bool may_start(bool watch);
  bool is_stuck() const;
  void execute(Lock &lock, Operation &operation);

  const std::shared_ptr<Context> context_;
  const Kind kind_;
  const int priority_;
  const std::shared_ptr<Timeline> timeline_;

  Clock clock_;
  std::uint64_t seen_handoffs_ = 0;
  std::deque<Operation> queue_;
  bool busy_ = false;  // an operation is out of the queue and not complete
  bool closing_ = false;
  bool held_ = false;
  unsigned steps_ = 0;
  std::condition_variable wake_;
  std::thread worker_;  // started by the first operation that needs it
  std::minstd_rand delays_;
};

// The program's stream; as stream_of, for callers that hold the lock.
std::shared_ptr<Stream> find_stream(const Lock &lock, const Call &call, CUstream handle);

// Waits for all; the thread then knows the work to be done.
void wait_for(Lock &lock, const std::vector<Ticket> &tickets);
// True when all are past; the thread then knows.
bool all_past(Lock &lock, const std::vector<Ticket> &tickets);

}  // namespace nvsim
