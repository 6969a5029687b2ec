// SPDX-License-Identifier: LGPL-2.1-or-later
/// Memory of a GPU is freed where nobody waits for it: the driver waits for all work of the device
/// first, which may be somebody else's long kernel.
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
  gsize bytes() const;
  /// Runs `free`, which frees so many bytes, on a Background of its own.
  void run(gsize bytes, std::function<void()> free);
  /// Whether all is gone before so much time has passed.
  bool wait(std::chrono::milliseconds limit) const;

 private:
  mutable std::mutex mutex_;  // guards `bytes_`
  mutable std::condition_variable changed_;
  gsize bytes_ = 0;
};

}  // namespace cudacam
