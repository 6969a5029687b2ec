// SPDX-License-Identifier: LGPL-2.1-or-later
/// Memory of a GPU is freed, and kernels are unloaded, where nobody waits for it: the driver waits
/// for all work of the device first, which may be somebody else's long kernel.
#pragma once

#include <glib.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

namespace cudacam {

/// How much of an element's memory is on its way out. Shared with the stores. Any thread.
class Leaving : public std::enable_shared_from_this<Leaving> {
 public:
  /// The element runs, until close(): its context stays, and who stops it waits for what is under
  /// way. Each time it starts is another session.
  void open();
  void close();
  unsigned session() const;
  /// The same as run() while that session lasts; else false, and nothing was done.
  bool run_in(unsigned session, gsize bytes, const std::function<void()> &free);
  gsize bytes() const;
  /// Runs `free`, which frees so many bytes of slots, on a Background of its own.
  void run(gsize bytes, std::function<void()> free);
  /// Whether all is gone before so much time has passed.
  bool wait(std::chrono::milliseconds limit) const;

 private:
  void start(gsize bytes, std::function<void()> free);

  mutable std::mutex mutex_;  // guards all below
  mutable std::condition_variable changed_;
  gsize bytes_ = 0;
  unsigned jobs_ = 0;  // of which some free no slot
  bool open_ = false;
  unsigned session_ = 0;
};

}  // namespace cudacam
