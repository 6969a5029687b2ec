// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/copy.hpp"

#include <stdexcept>

#include "cuda/compat.hpp"
#include "cuda/order.hpp"

namespace cudacam {
namespace {

/// A frame mapped to its device pointers.
class DeviceFrame {
 public:
  DeviceFrame(const GstVideoInfo &info, GstBuffer *buffer, GstMapFlags access) {
    auto *memory = gst_buffer_peek_memory(buffer, 0);
    if (!gst_is_cuda_memory(memory)) throw std::runtime_error("the frame is not in CUDA memory");
    if (!gst_video_frame_map(&frame_, &info, buffer, GstMapFlags(access | GST_MAP_CUDA)))
      throw std::runtime_error("the frame's CUDA memory cannot be mapped");
  }
  ~DeviceFrame() { gst_video_frame_unmap(&frame_); }
  DeviceFrame(const DeviceFrame &) = delete;
  DeviceFrame &operator=(const DeviceFrame &) = delete;

  const GstVideoFrame &get() const { return frame_; }

 private:
  GstVideoFrame frame_;
};

CUdeviceptr plane(const GstVideoFrame &frame, unsigned index) {
  return reinterpret_cast<CUdeviceptr>(GST_VIDEO_FRAME_PLANE_DATA(&frame, index));
}

/// Bytes of one row and number of rows of a plane. A plane's components share rows; the widest
/// counts.
std::pair<size_t, size_t> extent(const GstVideoFrame &frame, unsigned index) {
  gint components[GST_VIDEO_MAX_COMPONENTS];
  gst_video_format_info_component(frame.info.finfo, index, components);
  const auto first = components[0];
  return {static_cast<size_t>(GST_VIDEO_FRAME_COMP_WIDTH(&frame, first)) *
              GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, first),
          static_cast<size_t>(GST_VIDEO_FRAME_COMP_HEIGHT(&frame, first))};
}

/// Enqueues the copy of one plane.
void copy_plane(const GstVideoFrame &from, const GstVideoFrame &to, unsigned index,
                CUstream stream) {
  const auto [row, rows] = extent(from, index);
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = plane(from, index);
  copy.srcPitch = GST_VIDEO_FRAME_PLANE_STRIDE(&from, index);
  copy.dstDevice = plane(to, index);
  copy.dstPitch = GST_VIDEO_FRAME_PLANE_STRIDE(&to, index);
  copy.WidthInBytes = row;
  copy.Height = rows;
  driver().cuMemcpy2DAsync(&copy, stream);
}

}  // namespace

void copy_frame(const GstVideoInfo &info, GstBuffer *source, GstBuffer *target, StreamView stream) {
  const DeviceFrame from(info, source, GST_MAP_READ);
  const DeviceFrame to(info, target, GST_MAP_WRITE);
  const ContextScope scope(stream.context);
  // After it was mapped, which may have queued an upload.
  auto *producer = compat::pending_stream(gst_buffer_peek_memory(source, 0));
  if (producer && producer != stream.handle) order(producer, stream.handle);
  try {
    for (unsigned i = 0; i < GST_VIDEO_FRAME_N_PLANES(&from.get()); ++i)
      copy_plane(from.get(), to.get(), i, stream.handle);
  } catch (const CudaError &) {
    // What was enqueued still reads the source, which its owner is about to get back.
    driver().cuStreamSynchronize.quiet(stream.handle);
    throw;
  }
}

}  // namespace cudacam
