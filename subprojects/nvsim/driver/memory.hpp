// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which memory exists, whose it is, and who ended it. Guarded by the driver's mutex.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "driver/arena.hpp"
#include "driver/history.hpp"
#include "driver/seam.hpp"

namespace nvsim {

class PhysicalMemory;

struct Allocation {
  enum class Kind {
    device,      // cuMemAlloc, surfaces, stream-ordered allocations
    mapping,     // virtual memory management: physical memory mapped at reserved addresses
    imported,    // another process's memory, by a legacy IPC handle
    pinned,      // host memory from cuMemAllocHost
    registered,  // the program's own host memory, registered
  };

  CUdeviceptr base = 0;
  std::size_t size = 0;
  Kind kind = Kind::device;
  Owner owner = Owner::program;
  int device = 0;  // -1: host memory
  std::weak_ptr<Context> context;
  std::string tag;
  std::uint64_t number = 0;

  bool stream_ordered = false;               // from cuMemAllocAsync
  bool ending = false;                       // cuMemFreeAsync was called
  std::string imported_from;                 // imports: which process's which memory
  unsigned opened = 1;                       // imports: how often
  std::shared_ptr<PhysicalMemory> physical;  // behind a mapping
  std::map<int, unsigned> access;            // of a mapping: CUmemAccess_flags by device

  bool live = true;
  std::string ended_by;        // who, on which thread, when
  unsigned running = 0;        // operations that use it right now
  bool discard_later = false;  // ended while some were

  Arena::Block block;
  // Accesses are remembered at `address - base + history_origin`, so that two mappings of one
  // physical memory share a history.
  std::shared_ptr<History> history;
  std::uint64_t history_origin = 0;

  // Mappings alone may lack a permission.
  bool permits(int by_device, bool write) const;
  bool on_host() const { return kind == Kind::pinned || kind == Kind::registered; }
  std::string name() const;
};

class Memory {
 public:
  Memory(Arena &arena, Parties &parties) : arena_(arena), parties_(parties) {}

  // Committed memory filled with a pattern; `base` is such that the end of the memory is as near
  // to the guard behind it as an alignment of 512 allows.
  Allocation &allocate(std::size_t size, std::string tag);
  // As allocate, for host memory that both the program and the workers reach.
  Allocation &allocate_pinned(std::size_t size, std::string tag);
  // Memory that something else put there.
  Allocation &adopt(Allocation allocation);

  // The live allocation that `address` lies in.
  Allocation *live_at(CUdeviceptr address);
  // The allocation, live or ended, that `address` lies in or in whose guards it lies.
  Allocation *nearest(CUdeviceptr address);

  // Takes the memory away. What still runs on it keeps the bytes until it is done.
  void end(Allocation &allocation, std::string by);
  void operation_begins(Allocation &allocation) { ++allocation.running; }
  void operation_ended(CUdeviceptr base);

  // Why the access cannot be made by work of `context`; nothing when it can. Copies reach every
  // device's memory, kernels only that of peers.
  std::optional<std::string> problem_with(const Access &access, const Context &context,
                                          bool by_kernel);
  // "write of surface 3 (#17)+4096, 12 bytes past its end", for an address that was trapped.
  std::string describe(CUdeviceptr address);

  template <typename Visitor>
  void for_each_live(Visitor &&visit) {
    for (auto &entry : allocations_)
      if (entry.second.live) visit(entry.second);
  }

 private:
  void discard(Allocation &allocation);
  void check_slack(const Allocation &allocation);

  Arena &arena_;
  Parties &parties_;
  std::map<CUdeviceptr, Allocation> allocations_;  // by base; ended ones too, for a while
  std::deque<CUdeviceptr> ended_;
  std::uint64_t last_number_ = 0;
};

}  // namespace nvsim
