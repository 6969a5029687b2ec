// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/shared_event.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "driver/seam.hpp"

namespace nvsim {
namespace {

constexpr std::uint64_t kMagic = 0x6e7673696d657674;  // "nvsimevt"
constexpr std::size_t kBytes = 4096;

struct Name {
  std::uint64_t magic;
  pid_t exporter;
  int fd;
};
static_assert(sizeof(Name) <= sizeof(CUipcEventHandle));

}  // namespace

// All zero at first, in any process.
struct SharedEvent::Page {
  std::atomic<std::uint64_t> magic;
  std::atomic<std::uint64_t> recorded;
  std::atomic<std::uint64_t> completed;
  std::atomic<std::uint32_t> changes;  // the futex
};

std::shared_ptr<SharedEvent> SharedEvent::create() {
  const int fd = memfd_create("nvsim-event", MFD_CLOEXEC);
  if (fd < 0) throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  void *place = MAP_FAILED;
  if (ftruncate(fd, kBytes) == 0)
    place = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (place == MAP_FAILED) {
    close(fd);
    throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  }
  auto *page = static_cast<Page *>(place);
  page->magic = kMagic;
  return std::shared_ptr<SharedEvent>(new SharedEvent(fd, page));
}

std::shared_ptr<SharedEvent> SharedEvent::open(const CUipcEventHandle &handle) {
  Name name{};
  std::memcpy(&name, &handle, sizeof name);
  if (name.magic != kMagic) throw Error{CUDA_ERROR_INVALID_HANDLE};
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", name.exporter, name.fd);
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) throw Error{CUDA_ERROR_MAP_FAILED};
  void *place = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (place == MAP_FAILED) {
    close(fd);
    throw Error{CUDA_ERROR_MAP_FAILED};
  }
  std::shared_ptr<SharedEvent> event(new SharedEvent(fd, static_cast<Page *>(place)));
  if (event->page_->magic != kMagic) throw Error{CUDA_ERROR_INVALID_HANDLE};
  return event;
}

SharedEvent::~SharedEvent() {
  munmap(page_, kBytes);
  close(fd_);
}

CUipcEventHandle SharedEvent::handle() const {
  const Name name{kMagic, getpid(), fd_};
  CUipcEventHandle handle{};
  std::memcpy(&handle, &name, sizeof name);
  return handle;
}

std::uint64_t SharedEvent::record() {
  return ++page_->recorded;
}

void SharedEvent::complete(std::uint64_t record) {
  std::uint64_t completed = page_->completed;
  while (completed < record && !page_->completed.compare_exchange_weak(completed, record)) {
  }
  ++page_->changes;
  syscall(SYS_futex, &page_->changes, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

std::uint64_t SharedEvent::latest() const {
  return page_->recorded;
}
bool SharedEvent::is_complete(std::uint64_t record) const {
  return page_->completed >= record;
}

void SharedEvent::wait(std::uint64_t record, const std::function<bool()> &give_up) const {
  while (!give_up()) {
    const std::uint32_t seen = page_->changes;
    if (is_complete(record)) return;
    // The time bounds how late `give_up` is asked.
    const timespec limit{0, 20'000'000};
    syscall(SYS_futex, &page_->changes, FUTEX_WAIT, seen, &limit, nullptr, 0);
  }
}

}  // namespace nvsim
