// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/arena.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "driver/seam.hpp"

namespace nvsim {
namespace {

[[noreturn]] void out_of_address_space(const char *what) {
  violation("%s failed: %s (nvsim needs address space: no ulimit -v)", what,
            std::system_category().message(errno).c_str());
  throw Error{CUDA_ERROR_OUT_OF_MEMORY};
}

void *inaccessible(std::size_t span) {
  void *place = mmap(nullptr, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) out_of_address_space("mmap");
  return place;
}

}  // namespace

Arena::~Arena() {
  for (std::size_t i = 0; i < count_; ++i) {
    Region *region = regions_[i];
    munmap(reinterpret_cast<void *>(region->base), region->span);
    munmap(region->view, region->span);
    close(region->fd);
    delete region;
  }
}

Arena::Region *Arena::add_region(std::size_t span) {
  const std::size_t index = count_;
  if (index == kMaxRegions) throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  const int fd = memfd_create("nvsim", MFD_CLOEXEC);
  if (fd < 0) out_of_address_space("memfd_create");
  if (ftruncate(fd, static_cast<off_t>(span)) != 0) {
    close(fd);
    out_of_address_space("ftruncate");
  }
  void *view = mmap(nullptr, span, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (view == MAP_FAILED) {
    close(fd);
    out_of_address_space("mmap");
  }
  const auto base = reinterpret_cast<std::uint64_t>(inaccessible(span));
  auto *region = new Region{base, static_cast<std::uint8_t *>(view), span, fd, 0};
  regions_[index] = region;
  count_ = index + 1;
  return region;
}

Arena::Block Arena::reserve(std::size_t bytes, std::size_t alignment) {
  bytes = round_up(bytes, kPage);
  alignment = std::max(alignment, kPage);
  if (bytes > (std::size_t{1} << 42)) throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  const std::size_t needed = bytes + alignment + 2 * kGuard;
  Region *region = count_ ? regions_[count_ - 1].load() : nullptr;
  if (!region || region->span - region->used < needed)
    region = add_region(std::max(kSpan, round_up(needed, kPage)));
  const std::uint64_t address = round_up(region->base + region->used + kGuard, alignment);
  region->used = address + bytes + kGuard - region->base;
  return {address, bytes, region->fd, static_cast<off_t>(address - region->base)};
}

void Arena::commit(const Block &block) {
  protect(block.address, block.bytes, PROT_READ | PROT_WRITE);
}

void Arena::map_file(std::uint64_t address, std::size_t bytes, int fd, off_t offset,
                     int protection) {
  if (mmap(view(address), bytes, protection, MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED)
    out_of_address_space("mmap");
}

void Arena::protect(std::uint64_t address, std::size_t bytes, int protection) {
  if (mprotect(view(address), bytes, protection) != 0) out_of_address_space("mprotect");
}

void Arena::discard(const Block &block) {
  // Back to the region's own memory, whatever was mapped here, and nothing in it. Neighbours that
  // are inaccessible too become one mapping, so the kernel's table of mappings does not grow.
  map_file(block.address, block.bytes, block.fd, block.offset, PROT_NONE);
  fallocate(block.fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, block.offset,
            static_cast<off_t>(block.bytes));
}

const Arena::Region *Arena::region_of(std::uint64_t address) const {
  const std::size_t count = count_;
  for (std::size_t i = 0; i < count; ++i) {
    const Region *region = regions_[i];
    if (address >= region->base && address - region->base < region->span) return region;
  }
  return nullptr;
}

std::uint8_t *Arena::view(std::uint64_t address) const {
  const Region *region = region_of(address);
  return region ? region->view + (address - region->base) : nullptr;
}

std::uint64_t Arena::address_of(const void *in_view) const {
  const auto *place = static_cast<const std::uint8_t *>(in_view);
  const std::size_t count = count_;
  for (std::size_t i = 0; i < count; ++i) {
    const Region *region = regions_[i];
    if (place >= region->view && place < region->view + region->span)
      return region->base + static_cast<std::uint64_t>(place - region->view);
  }
  return 0;
}

}  // namespace nvsim
