// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/memory.hpp"

#include <sys/mman.h>

#include <cstring>

#include "driver/context.hpp"
#include "driver/report.hpp"

namespace nvsim {
namespace {

constexpr std::size_t kAlignment = 512;
constexpr std::uint8_t kFresh = 0xCD;  // content of new memory
constexpr std::uint8_t kSlack = 0xA7;  // around it, up to the page
constexpr std::size_t kEndedRemembered = 65536;

const char *verb(const Access &access) {
  return access.write ? "write" : "read";
}

}  // namespace

std::string Allocation::name() const {
  return format("'%s' (#%llu, %zu bytes)", tag.c_str(), static_cast<unsigned long long>(number),
                size);
}

bool Allocation::permits(int by_device, bool write) const {
  if (kind != Kind::mapping) return true;
  auto found = access.find(by_device);
  if (found == access.end()) return false;
  return write ? found->second == CU_MEM_ACCESS_FLAGS_PROT_READWRITE
               : (found->second & CU_MEM_ACCESS_FLAGS_PROT_READ) != 0;
}

Allocation &Memory::adopt(Allocation allocation) {
  allocation.number = ++last_number_;
  if (!allocation.history) allocation.history = std::make_shared<History>(parties_);
  const CUdeviceptr base = allocation.base;
  return allocations_.insert_or_assign(base, std::move(allocation)).first->second;
}

Allocation &Memory::allocate(std::size_t size, std::string tag) {
  Allocation allocation;
  allocation.block = arena_.reserve(size);
  arena_.commit(allocation.block);
  allocation.size = size;
  allocation.base = allocation.block.address + allocation.block.bytes - round_up(size, kAlignment);
  allocation.tag = std::move(tag);
  std::uint8_t *view = arena_.view(allocation.block.address);
  const std::size_t front = allocation.base - allocation.block.address;
  std::memset(view, kSlack, front);
  std::memset(view + front, kFresh, size);
  std::memset(view + front + size, kSlack, allocation.block.bytes - front - size);
  return adopt(std::move(allocation));
}

Allocation &Memory::allocate_pinned(std::size_t size, std::string tag) {
  Allocation allocation;
  allocation.kind = Allocation::Kind::pinned;
  allocation.device = -1;
  allocation.size = size;
  allocation.tag = std::move(tag);
  allocation.block.bytes = round_up(size, kPage);
  void *place = mmap(nullptr, allocation.block.bytes + 2 * kPage, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  auto *first = static_cast<std::uint8_t *>(place) + kPage;
  if (mprotect(first, allocation.block.bytes, PROT_READ | PROT_WRITE) != 0) {
    munmap(place, allocation.block.bytes + 2 * kPage);
    throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  }
  std::memset(first, kFresh, size);
  allocation.block.address = reinterpret_cast<std::uint64_t>(first);
  allocation.base = allocation.block.address;
  return adopt(std::move(allocation));
}

Allocation *Memory::nearest(CUdeviceptr address) {
  auto next = allocations_.upper_bound(address);
  Allocation *below = next == allocations_.begin() ? nullptr : &std::prev(next)->second;
  Allocation *above = next == allocations_.end() ? nullptr : &next->second;
  if (below && address < below->base + below->size) return below;
  const auto after = below ? address - (below->base + below->size) : kGuard;
  const auto before = above ? above->base - address : kGuard;
  if (after <= before && after < kGuard) return below;
  return before < kGuard ? above : nullptr;
}

Allocation *Memory::live_at(CUdeviceptr address) {
  Allocation *found = nearest(address);
  return found && found->live && address >= found->base && address - found->base < found->size
             ? found
             : nullptr;
}

void Memory::end(Allocation &allocation, std::string by) {
  if (allocation.kind == Allocation::Kind::registered) {
    allocations_.erase(allocation.base);  // the program may register the same memory again
    return;
  }
  allocation.live = false;
  allocation.ended_by = std::move(by);
  allocation.history.reset();
  if (allocation.running)
    allocation.discard_later = true;
  else
    discard(allocation);

  ended_.push_back(allocation.base);
  if (ended_.size() > kEndedRemembered) {
    auto oldest = allocations_.find(ended_.front());
    if (oldest != allocations_.end() && !oldest->second.live && !oldest->second.running)
      allocations_.erase(oldest);
    ended_.pop_front();
  }
}

void Memory::operation_ended(CUdeviceptr base) {
  auto found = allocations_.find(base);
  if (found == allocations_.end()) return;
  Allocation &allocation = found->second;
  if (--allocation.running == 0 && allocation.discard_later) discard(allocation);
}

void Memory::discard(Allocation &allocation) {
  allocation.discard_later = false;
  if (allocation.kind == Allocation::Kind::pinned) {
    void *place = reinterpret_cast<void *>(allocation.block.address);
    madvise(place, allocation.block.bytes, MADV_DONTNEED);
    mprotect(place, allocation.block.bytes, PROT_NONE);
    return;
  }
  if (allocation.kind == Allocation::Kind::device) check_slack(allocation);
  arena_.discard(allocation.block);
}

// Kernels reach memory by pointers, and the guards begin only at the page.
void Memory::check_slack(const Allocation &allocation) {
  const std::uint8_t *view = arena_.view(allocation.block.address);
  const std::size_t front = allocation.base - allocation.block.address;
  for (std::size_t i = 0; i < allocation.block.bytes; ++i) {
    if (i == front) i += allocation.size;
    if (i >= allocation.block.bytes || view[i] == kSlack) continue;
    if (i < front)
      violation("memory before %s was written, %zu bytes before its start",
                allocation.name().c_str(), front - i);
    else
      violation("memory behind %s was written, %zu bytes past its end", allocation.name().c_str(),
                i - front - allocation.size + 1);
    return;
  }
}

std::optional<std::string> Memory::problem_with(const Access &access, const Context &context,
                                                bool by_kernel) {
  const Rect rect{access.address, access.pitch, access.width, access.height};
  if (rect.empty()) return std::nullopt;
  Allocation *allocation = nearest(access.address);
  if (!allocation)
    return format("%s of address %#llx, where no memory was ever allocated", verb(access),
                  static_cast<unsigned long long>(access.address));
  const std::string name = allocation->name();
  const auto offset = static_cast<long long>(access.address - allocation->base);
  if (!allocation->live)
    return format("%s of %s at offset %lld after %s", verb(access), name.c_str(), offset,
                  allocation->ended_by.c_str());
  if (access.address < allocation->base)
    return format("%s of %lld bytes before %s", verb(access), -offset, name.c_str());
  const std::uint64_t end = allocation->base + allocation->size;
  if (rect.end() > end)
    return format("%s past the end of %s by %llu bytes", verb(access), name.c_str(),
                  static_cast<unsigned long long>(rect.end() - end));
  if (!allocation->permits(context.device(), access.write))
    return format("%s of %s, which is mapped without that permission", verb(access), name.c_str());
  if (allocation->on_host() || !by_kernel) return std::nullopt;
  return context.problem_with_access_to(*allocation);
}

std::string Memory::describe(CUdeviceptr address) {
  Allocation *allocation = nearest(address);
  if (!allocation)
    return format("address %#llx, where no memory was ever allocated",
                  static_cast<unsigned long long>(address));
  const std::string name = allocation->name();
  const auto offset = static_cast<long long>(address - allocation->base);
  if (!allocation->live)
    return format("%s at offset %lld after %s", name.c_str(), offset, allocation->ended_by.c_str());
  if (offset < 0) return format("%lld bytes before %s", -offset, name.c_str());
  if (static_cast<std::size_t>(offset) >= allocation->size)
    return format("%lld bytes past the end of %s",
                  offset - static_cast<long long>(allocation->size), name.c_str());
  return format("%s at offset %lld", name.c_str(), offset);
}

}  // namespace nvsim
