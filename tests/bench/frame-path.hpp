// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a frame costs the CPU from the buffer that the decoder acquires for it to its end: the
/// pool's acquire, and all that happens inside one element's chain function, the frame's release
/// included.
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <cstdint>

namespace cudacam::bench {

/// CPU time of the threads inside, and, under callgrind, the only part of the program whose
/// instructions are counted. For one pipeline at a time, whose frames come from one thread.
class FramePath {
 public:
  /// Counts for frames that reach `element` after the first `warm_up`, until it has `frames`.
  /// Before the pipeline starts.
  static void watch(GstElement *element, std::uint64_t warm_up, std::uint64_t frames);
  /// The acquire function of the buffer pools of a type. Once for a type; nothing when the type is
  /// not known.
  static void watch_pools(GType type);

  /// Frames that were counted, the acquires among what was, and the time of all of it.
  static std::uint64_t frames();
  static std::uint64_t acquires();
  static std::chrono::nanoseconds time();
  /// Blocks until all frames came, those that warm up included; false when none comes for a minute.
  static bool await();
};

}  // namespace cudacam::bench
