// SPDX-License-Identifier: LGPL-2.1-or-later
/// Private threads for what may block: setting connections, decoders and foreign sources to NULL.
/// Knows neither GLib nor GStreamer.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace cudacam {

/// Runs each job on a thread of its own, so that one that hangs (rtspsrc's NULL can) holds up
/// nobody. A job owns all it uses: one that overruns the destructor's wait goes on alone.
class Retirement {
 public:
  Retirement();
  /// Waits up to kLastWait.
  ~Retirement();
  Retirement(const Retirement &) = delete;
  Retirement &operator=(const Retirement &) = delete;

  static constexpr std::chrono::seconds kLastWait{3};

  /// `patience`: from when on it counts as hanging.
  void run(std::chrono::milliseconds patience, std::function<void()> job);
  /// False: jobs were still running after `timeout`.
  bool wait(std::chrono::milliseconds timeout);
  unsigned running() const;
  unsigned hanging() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace cudacam
