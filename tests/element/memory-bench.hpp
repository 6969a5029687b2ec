// SPDX-License-Identifier: LGPL-2.1-or-later
/// Memory of a slot's kind beside GStreamer's own, on a GPU, real or simulated.
#pragma once

#include <gst/video/video.h>

#include <vector>

// After the standard library, whose streams have members by the names of check's macros.
#include <gst/check/gstcheck.h>

#include "cuda/compat.hpp"
#include "cuda/device-memory.hpp"
#include "cuda/frame-layout.hpp"
#include "support/driver-calls.hpp"
#include "support/stock-memory.hpp"

namespace cudacam::test {

inline CudaContextPtr make_context(guint device = 0) {
  fail_unless(gst_cuda_load_library());
  gst_cuda_memory_init_once();
  auto context = adopt(gst_cuda_context_new(device));
  fail_unless(context != nullptr);
  return context;
}

inline GstVideoInfo info_of(const char *format, int width, int height) {
  GstVideoInfo info;
  fail_unless(
      gst_video_info_set_format(&info, gst_video_format_from_string(format), width, height));
  return info;
}

inline CapsPtr cuda_caps(const GstVideoInfo &info) {
  CapsPtr caps(gst_video_info_to_caps(&info));
  gst_caps_set_features(caps.get(), 0, gst_caps_features_new("memory:CUDAMemory", nullptr));
  return caps;
}

inline MemoryPtr our_memory(GstCudaContext *context, const GstVideoInfo &info) {
  const auto stream = compat::make_producer_stream(context);
  const DeviceAllocator allocator(context);
  const auto layout = frame_layout(info, allocator.row_alignment());
  return compat::wrap(context, *stream, layout, allocator.allocate(layout.size));
}

/// A mapping for a scope.
class Mapped {
 public:
  Mapped(GstMemory *memory, int access) : memory_(memory) {
    fail_unless(gst_memory_map(memory, &info_, GstMapFlags(access)));
  }
  ~Mapped() { gst_memory_unmap(memory_, &info_); }
  Mapped(const Mapped &) = delete;
  Mapped &operator=(const Mapped &) = delete;
  guint8 *bytes() const { return info_.data; }
  gsize size() const { return info_.size; }
  CUdeviceptr device() const { return reinterpret_cast<CUdeviceptr>(info_.data); }

 private:
  GstMemory *memory_;
  GstMapInfo info_;
};

/// Bytes of the first row, and how many are looked at.
using Bytes = std::vector<guint8>;
constexpr gsize kRow = 64;

inline Bytes write_by_gpu(GstMemory *memory, guint8 value) {
  const Mapped map(memory, GST_MAP_WRITE | GST_MAP_CUDA);
  const ContextScope scope(GST_CUDA_MEMORY_CAST(memory)->context);
  wait_for_producer(memory);
  CUDA_CALL(cuMemsetD8)(map.device() + kRow / 4, value, kRow / 2);
  CUDA_CALL(cuStreamSynchronize)(CUstream{nullptr});
  return {};
}

}  // namespace cudacam::test
