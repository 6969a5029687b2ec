// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The state of an interprocess event: a page of memory that both processes map. A handle names the
// exporter's descriptor of it, opened through /proc while the exporter lives.
#pragma once

#include <cuda.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

namespace nvsim {

class SharedEvent {
 public:
  // Both throw Error.
  static std::shared_ptr<SharedEvent> create();
  static std::shared_ptr<SharedEvent> open(const CUipcEventHandle &handle);
  ~SharedEvent();
  SharedEvent(const SharedEvent &) = delete;
  SharedEvent &operator=(const SharedEvent &) = delete;

  CUipcEventHandle handle() const;

  // A new record; complete() is called with its number when the stream gets there.
  std::uint64_t record();
  void complete(std::uint64_t record);
  std::uint64_t latest() const;
  bool is_complete(std::uint64_t record) const;
  // Blocks until the record is complete or `give_up` says so. Measured: when the process that
  // recorded it has died, that is for ever.
  void wait(std::uint64_t record, const std::function<bool()> &give_up) const;

 private:
  struct Page;
  SharedEvent(int fd, Page *page) : fd_(fd), page_(page) {}

  const int fd_;
  Page *const page_;
};

}  // namespace nvsim
