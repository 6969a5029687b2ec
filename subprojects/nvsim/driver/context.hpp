// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A context: what belongs to it, and which memory its work may touch. Guarded by the driver's
// mutex.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "driver/seam.hpp"

namespace nvsim {

struct Allocation;

class Context : public std::enable_shared_from_this<Context> {
 public:
  Context(int device, std::uint64_t number, unsigned flags, bool primary)
      : device_(device), number_(number), flags_(flags), primary_(primary) {}

  int device() const { return device_; }
  std::uint64_t number() const { return number_; }
  bool primary() const { return primary_; }
  std::string name() const;

  unsigned flags() const { return flags_; }
  void set_flags(unsigned flags) { flags_ = flags; }
  CUcontext handle() const { return handle_; }
  void set_handle(CUcontext handle) { handle_ = handle; }

  bool live() const { return ended_by_.empty(); }
  const std::string &ended_by() const { return ended_by_; }
  void end(std::string by) { ended_by_ = std::move(by); }

  // Streams, the NULL stream and those that threads have as their own among them.
  void add_stream(const std::shared_ptr<Stream> &stream) { streams_.insert(stream); }
  void remove_stream(const std::shared_ptr<Stream> &stream) { streams_.erase(stream); }
  const std::set<std::shared_ptr<Stream>> &streams() const { return streams_; }
  std::set<std::shared_ptr<Stream>> take_streams() { return std::move(streams_); }
  std::shared_ptr<Stream> null_stream;                              // made at first use
  std::map<std::uint64_t, std::shared_ptr<Stream>> thread_streams;  // CU_STREAM_PER_THREAD

  // Contexts whose memory this one's kernels may touch.
  std::set<std::uint64_t> peers;

  // Remembered for the program; they limit nothing.
  std::map<CUlimit, std::size_t> limits;

  // Why this context's work may not touch the (live, device) memory; nothing when it may.
  std::optional<std::string> problem_with_access_to(const Allocation &allocation) const;

 private:
  const int device_;
  const std::uint64_t number_;
  unsigned flags_;
  const bool primary_;
  CUcontext handle_ = nullptr;
  std::string ended_by_;
  std::set<std::shared_ptr<Stream>> streams_;
};

// What the driver keeps for each of the program's threads.
struct ThreadState {
  ThreadState();
  ~ThreadState();

  const std::uint64_t number;
  std::vector<std::shared_ptr<Context>> contexts;  // the last is current
  const char *call = nullptr;                      // the API call it is in
  bool on_worker = false;                          // a stream's worker, in a host function
};
ThreadState &this_thread();

// "thread 3 (queue0:src)".
std::string this_thread_name();
// "cuMemFree on thread 3 (queue0:src), 1.234 s after start": for reports of later use.
std::string here();

}  // namespace nvsim
