// SPDX-License-Identifier: LGPL-2.1-or-later
/// Frames in CUDA memory of GStreamer's own allocator.
#pragma once

#include <gst/video/video.h>

#include <stdexcept>

#include "base/ptr.hpp"
#include "cuda/compat.hpp"

namespace cudacam::test {

/// Its GstVideoInfo says how the frame lies in it. `producer`: the stream that it names, where that
/// is possible. Throws when there is none. Frees nothing, which would wait for the GPU.
inline MemoryPtr stock_memory(GstCudaContext *context, const GstVideoInfo &info,
                              [[maybe_unused]] const compat::ProducerStream *producer = nullptr) {
  gst_cuda_memory_init_once();
  const auto allocator = adopt(gst_allocator_find(GST_CUDA_MEMORY_TYPE_NAME));
  auto *cuda_allocator = GST_CUDA_ALLOCATOR_CAST(allocator.get());
#if CUDACAM_BUILT_WITH_STREAMS
  MemoryPtr memory(gst_cuda_allocator_alloc(
      cuda_allocator, context, producer ? compat::producer(*producer) : nullptr, &info));
#else
  MemoryPtr memory(gst_cuda_allocator_alloc(cuda_allocator, context, &info));
#endif
  if (!memory) throw std::runtime_error("GStreamer gives no CUDA memory");
  return memory;
}

/// Waits until the work that produced `memory` is done, where its producer left some in flight
/// (1.24 and later).
inline void wait_for_producer([[maybe_unused]] GstMemory *memory) {
#if CUDACAM_BUILT_WITH_STREAMS
  if (gst_is_cuda_memory(memory)) gst_cuda_memory_sync(GST_CUDA_MEMORY_CAST(memory));
#endif
}

/// The same as a frame.
inline BufferPtr stock_frame(GstCudaContext *context, const GstVideoInfo &info,
                             const compat::ProducerStream *producer = nullptr) {
  auto memory = stock_memory(context, info, producer);
  auto layout = GST_CUDA_MEMORY_CAST(memory.get())->info;
  BufferPtr frame(gst_buffer_new());
  gst_buffer_append_memory(frame.get(), memory.release());
  gst_buffer_add_video_meta_full(frame.get(), GST_VIDEO_FRAME_FLAG_NONE,
                                 GST_VIDEO_INFO_FORMAT(&layout), layout.width, layout.height,
                                 GST_VIDEO_INFO_N_PLANES(&layout), layout.offset, layout.stride);
  return frame;
}

/// As elements of GStreamer 1.24 and later do: what the memory's stream still writes, its readers
/// wait for. Nothing before.
inline void leave_to_readers([[maybe_unused]] GstMemory *memory) {
#if CUDACAM_BUILT_WITH_STREAMS
  GST_MINI_OBJECT_FLAG_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_SYNC);
#endif
}

}  // namespace cudacam::test
