// SPDX-License-Identifier: LGPL-2.1-or-later
/// reconnect-mode=state: restarts what feeds a sink, one restart at a time, on a thread of its own.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "base/retirement.hpp"
#include "lease/upstream-route.hpp"

namespace cudacam {

/// All functions may be called from any thread, also from a streaming thread.
class SourceRestarter {
 public:
  /// Two restarts do not begin in less than this: a camera that is away would refuse as often as
  /// it is asked.
  static constexpr std::chrono::seconds kPause{1};

  SourceRestarter();
  ~SourceRestarter();
  SourceRestarter(const SourceRestarter &) = delete;
  SourceRestarter &operator=(const SourceRestarter &) = delete;

  void start();
  /// Frames come to `sink` now: remembers the way. Returns the name of the source.
  std::string note_route(GstPad *sink);
  /// A frame came, or the stream ended.
  void note_flow(bool flows) { flows_->store(flows, std::memory_order_relaxed); }
  /// Does not wait. One that waits for its turn, or has not stopped the source yet, is this one as
  /// well; and while this one waits for its turn, a frame makes it needless. False: there is no
  /// source that could be told.
  bool restart(GstPad *sink);
  /// Gives up the restart that waits and waits for the one under way, not for ever; a restart that
  /// overruns ends on its own. The elements have the state of the bins around them then.
  void stop();

 private:
  struct State;

  const std::shared_ptr<std::atomic<bool>> flows_;
  std::mutex lock_;  // guards state_; never held while calling out
  std::shared_ptr<State> state_;
  std::mutex route_lock_;  // guards route_; held while pads are walked, before GStreamer's locks
  UpstreamRoute route_;
  Retirement jobs_;
};

}  // namespace cudacam
