// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/video.h>

#include "cuda/context.hpp"

namespace cudacam {

/// A frame that is mapped as long as this is: where it lies in CUDA memory to device pointers,
/// elsewhere to host pointers. What still writes CUDA memory is not waited for.
class MappedFrame {
 public:
  enum class Pointers {
    kWhereItLies,
    kHost,  ///< also of CUDA memory, which GStreamer downloads first: that is waited for
  };

  /// Throws std::runtime_error.
  MappedFrame(const GstVideoInfo &info, GstBuffer *buffer, GstMapFlags access,
              Pointers pointers = Pointers::kWhereItLies);
  ~MappedFrame() { gst_video_frame_unmap(&frame_); }
  MappedFrame(const MappedFrame &) = delete;
  MappedFrame &operator=(const MappedFrame &) = delete;

  /// The context of its memory; null for host pointers. Borrowed.
  GstCudaContext *context() const { return context_; }

  unsigned planes() const { return GST_VIDEO_FRAME_N_PLANES(&frame_); }
  unsigned char *plane(unsigned index) const {
    return static_cast<unsigned char *>(GST_VIDEO_FRAME_PLANE_DATA(&frame_, index));
  }
  unsigned pitch(unsigned index) const {
    return static_cast<unsigned>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame_, index));
  }

 private:
  GstVideoFrame frame_;
  GstCudaContext *context_;
};

}  // namespace cudacam
