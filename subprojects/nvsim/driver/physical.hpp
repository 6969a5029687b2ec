// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Physical memory of virtual memory management: a memfd, so that it can be sent to another process
// and outlives whoever made it.
#pragma once

#include <memory>

#include "driver/history.hpp"

namespace nvsim {

class PhysicalMemory {
 public:
  // Both throw Error. `size` is whole granules.
  static std::shared_ptr<PhysicalMemory> create(std::size_t size, int device, bool exportable,
                                                Parties &parties);
  // From another process's export; `fd` is not consumed.
  static std::shared_ptr<PhysicalMemory> import(int fd, Parties &parties);
  ~PhysicalMemory();
  PhysicalMemory(const PhysicalMemory &) = delete;
  PhysicalMemory &operator=(const PhysicalMemory &) = delete;

  // A new descriptor, the caller's.
  int export_fd() const;

  std::size_t size() const { return size_; }
  int device() const { return device_; }
  bool exportable() const { return exportable_; }
  int fd() const { return fd_; }
  const std::shared_ptr<History> &history() const { return history_; }

  // Guarded by the driver's mutex. Memory that is neither held nor mapped is gone.
  unsigned handles = 1;
  unsigned mappings = 0;
  bool counted = false;  // in its device's account; imports are in the exporter's

 private:
  PhysicalMemory(int fd, std::size_t size, int device, bool exportable, Parties &parties)
      : fd_(fd),
        size_(size),
        device_(device),
        exportable_(exportable),
        history_(std::make_shared<History>(parties)) {}

  const int fd_;
  const std::size_t size_;
  const int device_;
  const bool exportable_;
  const std::shared_ptr<History> history_;
};

}  // namespace nvsim
