// SPDX-License-Identifier: LGPL-2.1-or-later
/// A connection that hangs while it is closed.
#pragma once

#include <atomic>
#include <future>

#include "request-hook.hpp"

namespace cudacam::test {

/// Holds back a TEARDOWN until it is told to let go, as if the connection hung while it is closed.
class TeardownHold {
 public:
  explicit TeardownHold(CameraBench &bench)
      : hook_(bench, [this](GstRTSPMethod method) { before(method); }) {}
  ~TeardownHold() { let_go(); }
  void let_go() {
    if (!released_.exchange(true)) release_.set_value();
  }
  unsigned held() const { return held_; }

 private:
  void before(GstRTSPMethod method) {
    if (method != GST_RTSP_TEARDOWN || released_) return;
    held_++;
    released_future_.wait();
  }

  std::atomic<bool> released_{false};
  std::atomic<unsigned> held_{0};
  std::promise<void> release_;
  std::shared_future<void> released_future_ = release_.get_future().share();
  RequestHook hook_;
};

}  // namespace cudacam::test
