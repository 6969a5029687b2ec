// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacampool replaces: the frame copied into memory of its own, by hand.
#pragma once

#include <gst/gst.h>

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

 private:
  struct State;
  State *state_ = nullptr;
};

}  // namespace cudacam::bench
