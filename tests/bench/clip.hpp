// SPDX-License-Identifier: LGPL-2.1-or-later
/// A short H.264 film in memory that sources play over and over: no file, no network.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/ptr.hpp"

namespace cudacam::bench {

struct Clip {
  CapsPtr caps;
  std::vector<BufferPtr> pictures;  ///< one access unit each; the first is a key frame
};

/// Encodes `frames` moving pictures. Throws std::runtime_error when that fails.
Clip encode_clip(int width, int height, int frames);

/// Feeds `appsrc` from `clip` for as long as both live. Timestamps go on where the film begins
/// anew.
class ClipPlayer {
 public:
  ClipPlayer(GstElement *appsrc, const Clip &clip);
  ~ClipPlayer();
  ClipPlayer(const ClipPlayer &) = delete;
  ClipPlayer &operator=(const ClipPlayer &) = delete;

 private:
  static void need_data(GstElement *appsrc, guint, gpointer self);

  ObjectPtr<GstElement> appsrc_;
  const Clip &clip_;
  gulong handler_;
  guint64 played_ = 0;
};

}  // namespace cudacam::bench
