// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "driver/seam.hpp"

namespace nvsim {

class SharedEvent;

struct Event {
  std::shared_ptr<Context> context;
  unsigned flags = 0;
  bool recorded = false;
  Ticket ticket;                                     // of the latest record
  std::shared_ptr<std::atomic<std::int64_t>> stamp;  // when that was reached, in ns; 0 before
  std::shared_ptr<SharedEvent> shared;               // of interprocess events
};

}  // namespace nvsim
