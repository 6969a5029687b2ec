// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacampool replaces: the frame copied into memory of its own, by hand.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <cstdint>

namespace cudacam::bench {

/// Holds the last frame. One thread.
class OwnCopy {
 public:
  OwnCopy() = default;
  ~OwnCopy();
  OwnCopy(const OwnCopy &) = delete;
  OwnCopy &operator=(const OwnCopy &) = delete;

  /// cuMemAllocPitch, a copy of each plane, cuStreamSynchronize, cuMemFree of the frame before.
  /// Aborts the program when a call fails; frames in system memory are left alone.
  void take(GstPad *pad, GstBuffer *frame);
  /// How many were copied. Any thread.
  std::uint64_t copies() const { return copies_; }

 private:
  struct State;
  State *state_ = nullptr;
  std::atomic<std::uint64_t> copies_{0};
};

}  // namespace cudacam::bench
