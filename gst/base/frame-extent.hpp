// SPDX-License-Identifier: LGPL-2.1-or-later
/// Whether a frame has what it says it has. A GstVideoMeta says where rows lie, and GStreamer maps
/// the frame without a look at whether its memory goes so far.
#pragma once

#include <gst/video/video.h>

#include <algorithm>

namespace cudacam {

/// What a frame is refused with for which one of the questions below is answered by no.
inline constexpr const char *kNotItsCaps = "the frame is not what its caps say";

/// Whether a frame can be one of `picture`: a decoder's may be larger than the picture in it.
inline bool holds_picture(const GstVideoMeta &meta, const GstVideoInfo &picture) {
  return meta.format == GST_VIDEO_INFO_FORMAT(&picture) &&
         meta.width >= static_cast<guint>(GST_VIDEO_INFO_WIDTH(&picture)) &&
         meta.height >= static_cast<guint>(GST_VIDEO_INFO_HEIGHT(&picture));
}

inline bool holds_picture(const GstVideoInfo &layout, const GstVideoInfo &picture) {
  return GST_VIDEO_INFO_FORMAT(&layout) == GST_VIDEO_INFO_FORMAT(&picture) &&
         layout.width >= picture.width && layout.height >= picture.height;
}

/// Whether every row of `picture` lies in the memory that is mapped. Rows of formats that are not
/// made of pixels, one beside the other, count as far as they are known.
inline bool rows_are_mapped(const GstVideoFrame &frame, const GstVideoInfo &picture) {
  if (GST_VIDEO_FORMAT_INFO_IS_TILED(picture.finfo)) return true;
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(&picture); ++plane) {
    gint components[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component(picture.finfo, plane, components);
    gint64 width = 0, rows = 0;
    for (const auto c : components) {
      if (c < 0) continue;
      width = std::max(width, gint64{GST_VIDEO_INFO_COMP_WIDTH(&picture, c)} *
                                  GST_VIDEO_INFO_COMP_PSTRIDE(&picture, c));
      rows = std::max(rows, gint64{GST_VIDEO_INFO_COMP_HEIGHT(&picture, c)});
    }
    if (rows == 0) continue;
    const auto &map = frame.map[frame.meta ? plane : 0];
    const auto begin =
        static_cast<const guint8 *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane)) - map.data;
    const auto to_last = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane) * (rows - 1);
    if (begin + std::min(to_last, gint64{0}) < 0) return false;
    if (begin + std::max(to_last, gint64{0}) + width > static_cast<gint64>(map.maxsize))
      return false;
  }
  return true;
}

}  // namespace cudacam
