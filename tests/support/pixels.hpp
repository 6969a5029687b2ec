// SPDX-License-Identifier: LGPL-2.1-or-later
/// The pixels of frames, wherever they are, without the padding of rows. Throws what cannot be
/// mapped.
#pragma once

#include <gst/video/video.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <vector>

#include "base/ptr.hpp"

namespace cudacam::test {

/// Calls `row(bytes, count)` for each row of each plane of the picture; the frame may be larger.
template <class Row>
void for_each_row(GstBuffer *buffer, const GstVideoInfo &info, GstMapFlags access, Row &&row) {
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &info, buffer, access))
    throw std::runtime_error("a frame cannot be mapped");
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES(&frame); ++p) {
    gint components[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component(info.finfo, p, components);
    gint width = 0;
    for (const auto component : components)
      if (component >= 0)
        width = std::max(width, GST_VIDEO_INFO_COMP_WIDTH(&info, component) *
                                    GST_VIDEO_INFO_COMP_PSTRIDE(&info, component));
    auto *bytes = static_cast<std::uint8_t *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, p));
    for (gint y = 0; y < GST_VIDEO_INFO_COMP_HEIGHT(&info, components[0]); ++y)
      row(bytes + y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, p), static_cast<std::size_t>(width));
  }
  gst_video_frame_unmap(&frame);
}

inline std::vector<std::uint8_t> read_pixels(GstBuffer *buffer, const GstVideoInfo &info) {
  std::vector<std::uint8_t> packed;
  for_each_row(buffer, info, GST_MAP_READ, [&](const std::uint8_t *row, std::size_t bytes) {
    packed.insert(packed.end(), row, row + bytes);
  });
  return packed;
}

/// Fills the frame with bytes that depend on `seed`; returns them as read_pixels() would.
inline std::vector<std::uint8_t> write_noise(GstBuffer *buffer, const GstVideoInfo &info,
                                             unsigned seed) {
  std::minstd_rand random(seed + 1);
  std::vector<std::uint8_t> packed;
  for_each_row(buffer, info, GST_MAP_WRITE, [&](std::uint8_t *row, std::size_t bytes) {
    for (std::size_t x = 0; x < bytes; ++x) row[x] = static_cast<std::uint8_t>(random() >> 8);
    packed.insert(packed.end(), row, row + bytes);
  });
  return packed;
}

}  // namespace cudacam::test
