// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/video.h>

namespace cudacam {

/// How a frame of `info` lies in an allocation of its own: as GStreamer's CUDA allocators do it, so
/// that elements which assume that are right. All planes have one pitch, the widest row rounded up
/// to `alignment` (the driver's for textures, which is also cuMemAllocPitch's), and follow each
/// other without gaps. Throws std::runtime_error for formats whose planes are not plain rows.
GstVideoInfo frame_layout(const GstVideoInfo &info, gsize alignment);

/// Bytes of a row of a plane without padding, the widest component counting (of YUY2 with an odd
/// width that is the chroma, which has a sample more than the last pixel needs), and number of its
/// rows. Throws as above.
struct PlaneSize {
  guint width;
  guint rows;
};
PlaneSize plane_size(const GstVideoInfo &info, guint plane);

}  // namespace cudacam
