// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Opaque handles that are never given out twice, so that the use of a destroyed object is always
// seen for what it is. Not thread-safe: guarded by whoever owns the table.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

namespace nvsim {

template <typename Handle, typename Object>
class HandleTable {
 public:
  // `kind` keeps the handles of different tables apart.
  explicit HandleTable(unsigned kind) : first_(kBase + (std::uintptr_t{kind} << 36)) {}

  Handle add(std::shared_ptr<Object> object) {
    const std::uintptr_t value = first_ + kStep * ++issued_;
    objects_.emplace(value, std::move(object));
    return reinterpret_cast<Handle>(value);
  }
  // Null where the handle is not live.
  std::shared_ptr<Object> find(Handle handle) const {
    auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }
  std::shared_ptr<Object> remove(Handle handle) {
    auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    if (found == objects_.end()) return nullptr;
    std::shared_ptr<Object> object = std::move(found->second);
    objects_.erase(found);
    return object;
  }
  bool was_issued(Handle handle) const {
    const auto value = reinterpret_cast<std::uintptr_t>(handle);
    return value > first_ && (value - first_) % kStep == 0 && (value - first_) / kStep <= issued_;
  }
  std::size_t size() const { return objects_.size(); }
  template <typename Visitor>
  void for_each(Visitor &&visit) const {
    for (const auto &entry : objects_) visit(reinterpret_cast<Handle>(entry.first), entry.second);
  }

 private:
  // An address that no program has mapped.
  static constexpr std::uintptr_t kBase = std::uintptr_t{0x6E76} << 44;
  static constexpr std::uintptr_t kStep = 16;

  std::uintptr_t first_;
  std::uintptr_t issued_ = 0;
  std::unordered_map<std::uintptr_t, std::shared_ptr<Object>> objects_;
};

}  // namespace nvsim
