// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/physical.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "driver/arena.hpp"
#include "driver/seam.hpp"

namespace nvsim {
namespace {

constexpr std::uint64_t kMagic = 0x6e7673696d766d6d;  // "nvsimvmm"
constexpr int kFresh = 0xCD;

// Written behind the memory's end, for importers.
struct Trailer {
  std::uint64_t magic;
  std::uint64_t size;
  std::int32_t device;
};

}  // namespace

std::shared_ptr<PhysicalMemory> PhysicalMemory::create(std::size_t size, int device,
                                                       bool exportable, Parties &parties) {
  const int fd = memfd_create("nvsim-physical", MFD_CLOEXEC);
  if (fd < 0) throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  std::shared_ptr<PhysicalMemory> memory(new PhysicalMemory(fd, size, device, exportable, parties));
  const Trailer trailer{kMagic, size, device};
  const auto end = static_cast<off_t>(size);
  if (ftruncate(fd, end + static_cast<off_t>(kPage)) != 0 ||
      pwrite(fd, &trailer, sizeof trailer, end) != static_cast<ssize_t>(sizeof trailer))
    throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  void *content = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (content == MAP_FAILED) throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  std::memset(content, kFresh, size);
  munmap(content, size);
  return memory;
}

std::shared_ptr<PhysicalMemory> PhysicalMemory::import(int fd, Parties &parties) {
  struct stat status {};
  Trailer trailer{};
  if (fstat(fd, &status) != 0 || status.st_size <= static_cast<off_t>(kPage) ||
      pread(fd, &trailer, sizeof trailer, status.st_size - static_cast<off_t>(kPage)) !=
          static_cast<ssize_t>(sizeof trailer) ||
      trailer.magic != kMagic || trailer.size != static_cast<std::uint64_t>(status.st_size) - kPage)
    throw Error{CUDA_ERROR_UNKNOWN};  // measured
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  return std::shared_ptr<PhysicalMemory>(
      new PhysicalMemory(own, trailer.size, trailer.device, true, parties));
}

PhysicalMemory::~PhysicalMemory() {
  close(fd_);
}

int PhysicalMemory::export_fd() const {
  const int fd = fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  return fd;
}

}  // namespace nvsim
