// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/video.h>

namespace cudacam {

/// Whether all sizes of such pictures can be counted. GStreamer takes any from caps, and then its
/// strides, which are of 32 bits, may be negative or too small.
inline bool can_be_counted(const GstVideoInfo &info) {
  constexpr gint kMost = G_MAXINT / 32;  // of columns, of up to 16 bytes, and with padding; of rows
  return info.width > 0 && info.width <= kMost && info.height > 0 && info.height <= kMost;
}

}  // namespace cudacam
