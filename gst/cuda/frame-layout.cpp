// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/frame-layout.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace cudacam {

PlaneSize plane_size(const GstVideoInfo &info, guint plane) {
  gint components[GST_VIDEO_MAX_COMPONENTS];
  gst_video_format_info_component(info.finfo, plane, components);
  gint width = 0;
  for (const auto component : components)
    if (component >= 0)
      width = std::max(width, GST_VIDEO_INFO_COMP_WIDTH(&info, component) *
                                  GST_VIDEO_INFO_COMP_PSTRIDE(&info, component));
  if (width == 0 || GST_VIDEO_FORMAT_INFO_IS_TILED(info.finfo))
    throw std::runtime_error(std::string("frames of format ") + GST_VIDEO_INFO_NAME(&info) +
                             " cannot be kept in CUDA memory");
  return {static_cast<guint>(width),
          static_cast<guint>(GST_VIDEO_INFO_COMP_HEIGHT(&info, components[0]))};
}

GstVideoInfo frame_layout(const GstVideoInfo &info, gsize alignment) {
  auto layout = info;
  gsize widest = 0;
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(&info); ++plane)
    widest = std::max<gsize>(widest, plane_size(info, plane).width);
  const auto pitch = (widest + alignment - 1) / alignment * alignment;
  layout.size = 0;
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(&info); ++plane) {
    layout.stride[plane] = static_cast<gint>(pitch);
    layout.offset[plane] = layout.size;
    layout.size += pitch * plane_size(info, plane).rows;
  }
  return layout;
}

}  // namespace cudacam
