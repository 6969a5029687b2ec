// SPDX-License-Identifier: LGPL-2.1-or-later
#include "own-copy.hpp"

#include <gst/video/video.h>

#ifdef HAVE_CUDA
#include "cuda-api.hpp"
#include "cuda/compat.hpp"
#include "cuda/context.hpp"
#include "stock-memory.hpp"
#endif

namespace cudacam::bench {

#ifdef HAVE_CUDA

using test::cuda;

struct OwnCopy::State {
  CudaContextPtr context;
  CUstream stream = nullptr;
  CUdeviceptr memory = 0;
};

OwnCopy::~OwnCopy() {
  if (state_ && gst_cuda_context_push(state_->context.get())) {
    cuda().cuMemFree.quiet(state_->memory);
    cuda().cuStreamDestroy.quiet(state_->stream);
    gst_cuda_context_pop(nullptr);
  }
  delete state_;
}

void OwnCopy::take(GstPad *pad, GstBuffer *buffer) {
  GstMemory *memory = gst_buffer_peek_memory(buffer, 0);
  if (!gst_is_cuda_memory(memory)) return;
  if (!state_) state_ = new State{share(GST_CUDA_MEMORY_CAST(memory)->context)};
  const CapsPtr caps(gst_pad_get_current_caps(pad));
  GstVideoInfo info;
  GstVideoFrame frame;
  test::wait_for_producer(memory);
  if (!gst_video_info_from_caps(&info, caps.get()) ||
      !gst_video_frame_map(&frame, &info, buffer, GstMapFlags(GST_MAP_READ | GST_MAP_CUDA)))
    g_error("own-copy: a frame cannot be mapped");
  const ContextScope scope(state_->context.get());
  if (!state_->stream) cuda().cuStreamCreate(&state_->stream, unsigned{CU_STREAM_DEFAULT});
  CUdeviceptr target = 0;
  std::size_t pitch = 0;
  const auto width = static_cast<std::size_t>(GST_VIDEO_INFO_WIDTH(&info));
  const auto height = static_cast<std::size_t>(GST_VIDEO_INFO_HEIGHT(&info));
  cuda().cuMemAllocPitch(&target, &pitch, width, height * 3 / 2, 16u);  // NV12
  for (guint plane = 0; plane < 2; ++plane) {
    CUDA_MEMCPY2D copy{};
    copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    copy.srcDevice = reinterpret_cast<CUdeviceptr>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane));
    copy.srcPitch = static_cast<std::size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane));
    copy.dstDevice = target + (plane ? height * pitch : 0);
    copy.dstPitch = pitch;
    copy.WidthInBytes = width;
    copy.Height = plane ? height / 2 : height;
    cuda().cuMemcpy2DAsync(&copy, state_->stream);
  }
  cuda().cuStreamSynchronize(state_->stream);
  if (state_->memory) cuda().cuMemFree(state_->memory);
  state_->memory = target;
  ++copies_;
  gst_video_frame_unmap(&frame);
}

#else

OwnCopy::~OwnCopy() = default;

void OwnCopy::take(GstPad *, GstBuffer *) {
}

#endif

}  // namespace cudacam::bench
