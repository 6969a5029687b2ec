// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Handles that the program holds. None is ever used twice, so that one that has ended is noticed.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "driver/seam.hpp"

namespace nvsim::decode {

template <typename Object>
class Handles {
 public:
  explicit Handles(const char *kind) : kind_(kind) {}

  void *add(std::shared_ptr<Object> object) {
    const std::lock_guard lock(mutex_);
    next_ += 16;
    objects_.emplace(next_, std::move(object));
    return reinterpret_cast<void *>(next_);
  }

  // Throws, and reports, when the handle is not live.
  std::shared_ptr<Object> get(void *handle) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    if (found == objects_.end()) refuse(handle);
    return found->second;
  }

  std::shared_ptr<Object> remove(void *handle) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    if (found == objects_.end()) refuse(handle);
    std::shared_ptr<Object> object = std::move(found->second);
    objects_.erase(found);
    return object;
  }

 private:
  [[noreturn]] void refuse(void *handle) const {
    const bool ended = reinterpret_cast<std::uintptr_t>(handle) <= next_ && handle != nullptr;
    violation("%p is not a live %s%s", handle, kind_, ended ? ": it has been destroyed" : "");
    throw Error{CUDA_ERROR_INVALID_HANDLE};
  }

  const char *const kind_;
  std::mutex mutex_;  // guards the table; held across nothing else but a report
  std::map<std::uintptr_t, std::shared_ptr<Object>> objects_;
  std::uintptr_t next_ = 0x10000;
};

}  // namespace nvsim::decode
