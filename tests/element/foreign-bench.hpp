// SPDX-License-Identifier: LGPL-2.1-or-later
/// A cudacampool that gets frames in memory that is not its own.
#pragma once

#include <gst/video/video.h>

// After the standard library, whose streams have members by the names of check's macros.
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "memory-bench.hpp"
#include "support/pixels.hpp"
#include "support/statistics.hpp"

namespace cudacam::test {

inline BufferPtr host_frame(const GstVideoInfo &info) {
  return BufferPtr(gst_buffer_new_allocate(nullptr, info.size, nullptr));
}

/// The pool; its frames go to the test.
class ForeignBench {
 public:
  ForeignBench(GstCudaContext *context, const GstVideoInfo &info, bool cuda = true)
      : harness_(gst_harness_new("cudacampool")), info_(info), cuda_(cuda) {
    set("sync-mode", "cpu");  // a frame that is let go of leaves its slot free at once
    if (context) {
      auto *share = gst_context_new_cuda_context(context);
      gst_element_set_context(harness_->element, share);
      gst_context_unref(share);
    }
    set_size(info);
  }
  ~ForeignBench() { gst_harness_teardown(harness_); }
  ForeignBench(const ForeignBench &) = delete;
  ForeignBench &operator=(const ForeignBench &) = delete;

  void set_size(const GstVideoInfo &info) {
    auto *caps = gst_video_info_to_caps(&info);
    if (cuda_) gst_caps_set_features(caps, 0, gst_caps_features_new("memory:CUDAMemory", nullptr));
    gst_harness_set_src_caps(harness_, caps);
    info_ = info;
  }
  void set(const char *property, const char *value) {
    gst_util_set_object_arg(G_OBJECT(harness_->element), property, value);
  }

  GstHarness *harness() const { return harness_; }
  guint64 count(const char *field) const { return number(harness_->element, field); }

  /// Null when it was dropped.
  BufferPtr push(BufferPtr frame) {
    GST_BUFFER_PTS(frame.get()) = 123;
    gst_harness_push(harness_, frame.release());
    return BufferPtr(gst_harness_try_pull(harness_));
  }

  /// Pushes the frame, with pixels of its own, and expects them in a slot.
  void expect_copied(BufferPtr frame) {
    const auto copied = number(harness_->element, "copied");
    const auto pixels = write_noise(frame.get(), info_, ++seed_);
    const auto slot = push(std::move(frame));
    fail_unless(slot && read_pixels(slot.get(), info_) == pixels, "%s %dx%d differs",
                GST_VIDEO_INFO_NAME(&info_), info_.width, info_.height);
    fail_unless_equals_uint64(GST_BUFFER_PTS(slot.get()), 123);
    fail_unless_equals_uint64(number(harness_->element, "copied"), copied + 1);
  }

  static GstCudaContext *context_of(GstBuffer *frame) {
    auto *memory = gst_buffer_peek_memory(frame, 0);
    return gst_is_cuda_memory(memory) ? GST_CUDA_MEMORY_CAST(memory)->context : nullptr;
  }

 private:
  GstHarness *harness_;
  GstVideoInfo info_;
  const bool cuda_;
  unsigned seed_ = 0;
};

}  // namespace cudacam::test
