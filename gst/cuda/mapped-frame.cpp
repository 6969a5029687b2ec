// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/mapped-frame.hpp"

#include <stdexcept>

#include "base/frame-extent.hpp"
#include "cuda/compat.hpp"

namespace cudacam {
namespace {

/// The context that all of the buffer's memories are of; null when some are not in CUDA memory.
GstCudaContext *context_of(GstBuffer *buffer) {
  GstCudaContext *context = nullptr;
  for (guint i = 0; i < gst_buffer_n_memory(buffer); ++i) {
    auto *memory = gst_buffer_peek_memory(buffer, i);
    if (!gst_is_cuda_memory(memory)) return nullptr;
    auto *of_this = GST_CUDA_MEMORY_CAST(memory)->context;
    if (context && of_this != context)
      throw std::runtime_error("the planes of a frame are in several CUDA contexts");
    context = of_this;
  }
  return context;
}

}  // namespace

MappedFrame::MappedFrame(const GstVideoInfo &info, GstBuffer *buffer, GstMapFlags access,
                         Pointers pointers)
    : context_(context_of(buffer)) {
  const auto *layout = &info;
  const auto *meta = gst_buffer_get_video_meta(buffer);
  if (context_) {
    if (pointers == Pointers::kWhereItLies) access = GstMapFlags(access | GST_MAP_CUDA);
    // Rows are padded, and without a meta only the memory says how.
    if (!meta) layout = &GST_CUDA_MEMORY_CAST(gst_buffer_peek_memory(buffer, 0))->info;
  }
  if (!(meta ? holds_picture(*meta, info) : holds_picture(*layout, info)))
    throw std::runtime_error(kNotItsCaps);
  // Memory that cannot be mapped GStreamer replaces, in the buffer, by a copy.
  MemoryPtr memory(gst_buffer_get_memory(buffer, 0));
  const bool mapped = gst_video_frame_map(&frame_, layout, buffer, access);
  const bool replaced = gst_buffer_peek_memory(buffer, 0) != memory.get();
  const bool whole = mapped && rows_are_mapped(frame_, info);
  if (whole && !replaced) {
    if (pointers == Pointers::kHost) context_ = nullptr;
    return;
  }
  if (mapped) gst_video_frame_unmap(&frame_);
  if (replaced) gst_buffer_replace_memory(buffer, 0, memory.release());
  if (mapped && !whole) throw std::runtime_error(kNotItsCaps);
  if (context_) {
    // GStreamer says only that it failed: asks the driver for something, in case it is gone.
    const ContextScope scope(context_);
    size_t free = 0, total = 0;
    driver().cuMemGetInfo(&free, &total);
  }
  throw std::runtime_error("the frame's memory cannot be mapped");
}

}  // namespace cudacam
