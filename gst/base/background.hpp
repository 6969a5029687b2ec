// SPDX-License-Identifier: LGPL-2.1-or-later
/// A thread for work that whoever it falls to must not do or wait for, such as giving memory back
/// to the driver. Knows no GStreamer.
#pragma once

#include <functional>

namespace cudacam {

/// One for each purpose and process, never destroyed, like all that a plugin keeps for the process.
/// Jobs run one after the other, on a thread that is there while there are any.
///
/// When the process ends, libraries that a job uses (the driver, GStreamer) are taken apart by the
/// thread that called exit(). So what is to be done by then is given a second, and nothing begins
/// after it.
class Background {
 public:
  Background();
  Background(const Background &) = delete;
  Background &operator=(const Background &) = delete;

  /// Any thread, the driver's included: calls nothing of either. At the process's end a job is left
  /// behind, with what it owns.
  void run(std::function<void()> job);

 private:
  struct State;
  State *state_;
};

}  // namespace cudacam
