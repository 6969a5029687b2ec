// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Address space of the simulated devices. Each address has two places:
//
//   device address   what the program holds: never accessible, so that host code which touches
//                    device memory dies where it does
//   view             the same bytes for the stream workers, at view(address)
//
// Blocks are separated by inaccessible guards and no address is given out twice. Content lies in a
// memfd for each region, so any block can be shared with another process.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace nvsim {

inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kGuard = 64 * 1024;

constexpr std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

class Arena {
 public:
  struct Block {
    std::uint64_t address = 0;
    std::size_t bytes = 0;  // whole pages
    int fd = -1;            // the region's memory, not owned by the block
    off_t offset = 0;       // of the block in it
  };

  Arena() = default;
  ~Arena();
  Arena(const Arena &) = delete;
  Arena &operator=(const Arena &) = delete;

  // Addresses with nothing behind them. Throws Error{CUDA_ERROR_OUT_OF_MEMORY}. Not thread-safe.
  Block reserve(std::size_t bytes, std::size_t alignment = kPage);
  // Gives a reserved block memory of its own, readable and writable through the view.
  void commit(const Block &block);
  // Puts `fd` behind part of a reserved block; `protection` as for mprotect.
  void map_file(std::uint64_t address, std::size_t bytes, int fd, off_t offset, int protection);
  void protect(std::uint64_t address, std::size_t bytes, int protection);
  // Content gone, view inaccessible; the addresses stay used up.
  void discard(const Block &block);

  // These may be called from any thread and from a signal handler.
  bool contains(std::uint64_t address) const { return region_of(address) != nullptr; }
  std::uint8_t *view(std::uint64_t address) const;
  // The device address of a place in the view; 0 for any other.
  std::uint64_t address_of(const void *in_view) const;

 private:
  struct Region {
    std::uint64_t base;
    std::uint8_t *view;
    std::size_t span;
    int fd;
    std::size_t used;
  };
  static constexpr std::size_t kSpan = std::size_t{16} << 30;
  static constexpr std::size_t kMaxRegions = 4096;

  const Region *region_of(std::uint64_t address) const;
  Region *add_region(std::size_t span);

  // Append-only: entries below count_ never change but for `used`.
  std::array<std::atomic<Region *>, kMaxRegions> regions_{};
  std::atomic<std::size_t> count_{0};
};

}  // namespace nvsim
