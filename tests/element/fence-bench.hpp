// SPDX-License-Identifier: LGPL-2.1-or-later
/// cudacampool and cudacamsink on the simulated GPU, with frames of the test's own memory, and
/// readers on streams that the test holds.
#pragma once

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/ptr.hpp"
#include "cuda/compat.hpp"
#include "cuda/context.hpp"
#include "cuda/driver.hpp"
#include "gstcudacam.h"
#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"
#include "support/stock-memory.hpp"

namespace cudacam::test {

constexpr int kWidth = 64, kHeight = 48;

struct LeaseUnref {
  void operator()(GstCudaCamLease *lease) const { gst_cuda_cam_lease_unref(lease); }
};
using LeasePtr = std::unique_ptr<GstCudaCamLease, LeaseUnref>;

/// A CUDA context, frames of it, and where readers write.
class Gpu {
 public:
  Gpu() : context_(gst_cuda_context_new(0)) {
    fail_unless(context_ != nullptr);
    producer_ = compat::make_producer_stream(context_.get());
    gst_video_info_set_format(&info_, GST_VIDEO_FORMAT_NV12, kWidth, kHeight);
  }
  GstCudaContext *context() const { return context_.get(); }

  /// A frame of one grey, complete, in memory that is not a cudacampool's. The memory lives as long
  /// as this: freeing it would wait for all work on the GPU.
  BufferPtr frame(guint8 grey) {
    auto buffer = stock_frame(context_.get(), info_, producer_.get());
    kept_.push_back(MemoryPtr(gst_buffer_get_memory(buffer.get(), 0)));
    paint(buffer.get(), grey);
    return buffer;
  }
  void paint(GstBuffer *buffer, guint8 grey) const {
    auto *memory = gst_buffer_peek_memory(buffer, 0);
    GstMapInfo map;
    fail_unless(gst_memory_map(memory, &map, GST_MAP_WRITE));
    std::memset(map.data, grey, map.size);
    gst_memory_unmap(memory, &map);
    // To the GPU, and wait for it.
    fail_unless(gst_memory_map(memory, &map, GstMapFlags(GST_MAP_READ | GST_MAP_CUDA)));
    gst_memory_unmap(memory, &map);
    wait_for_producer(memory);
  }
  /// The grey of a complete frame.
  guint8 grey(GstBuffer *buffer) const {
    auto *memory = gst_buffer_peek_memory(buffer, 0);
    GST_MINI_OBJECT_FLAG_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD);
    GstMapInfo map;
    fail_unless(gst_memory_map(memory, &map, GST_MAP_READ));
    const guint8 grey = map.data[0];
    for (int x = 0; x < kWidth; ++x) fail_unless_equals_int(map.data[x], grey);
    gst_memory_unmap(memory, &map);
    return grey;
  }

 private:
  CudaContextPtr context_;
  std::shared_ptr<compat::ProducerStream> producer_;
  GstVideoInfo info_;
  std::vector<MemoryPtr> kept_;
};

/// A reader as a model's runtime is one: a stream in no order with any other, and "kernels", which
/// copy the luma of a frame to memory of the reader's own.
class Reader {
 public:
  explicit Reader(Gpu &gpu, GstCudaContext *context = nullptr)
      : gpu_(gpu), context_(share(context ? context : gpu.context())), result_(gpu.frame(0)) {
    const ContextScope scope(context_.get());
    driver().cuStreamCreate(&stream_, unsigned{CU_STREAM_NON_BLOCKING});
  }
  ~Reader() { driver().cuStreamDestroy.quiet(stream_); }
  Reader(const Reader &) = delete;
  Reader &operator=(const Reader &) = delete;

  CUstream stream() const { return stream_; }
  void launch(GstCudaCamLease *lease) {
    GstCudaCamPlane plane;
    fail_unless(gst_cuda_cam_lease_get_plane(lease, 0, &plane) && plane.on_gpu);
    auto *memory = gst_buffer_peek_memory(result_.get(), 0);
    GstMapInfo map;
    fail_unless(gst_memory_map(memory, &map, GstMapFlags(GST_MAP_WRITE | GST_MAP_CUDA)));
    CUDA_MEMCPY2D copy{};
    copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    copy.srcDevice = plane.address;
    copy.srcPitch = plane.pitch;
    copy.dstDevice = reinterpret_cast<CUdeviceptr>(map.data);
    copy.dstPitch = GST_CUDA_MEMORY_CAST(memory)->info.stride[0];
    copy.WidthInBytes = plane.row_bytes;
    copy.Height = plane.rows;
    driver().cuMemcpy2DAsync(&copy, stream_);
    gst_memory_unmap(memory, &map);
  }
  /// Waits for the kernels: the slots they read unasked may be freed afterwards.
  void finish() const { driver().cuStreamSynchronize(stream_); }
  /// What the last kernel read; waits for it.
  guint8 result() const {
    finish();
    return gpu_.grey(result_.get());
  }

 private:
  const Gpu &gpu_;
  CudaContextPtr context_;
  BufferPtr result_;
  CUstream stream_ = nullptr;
};

/// Says when a buffer is given up.
class Watched {
 public:
  explicit Watched(GstBuffer *buffer) {
    gst_mini_object_weak_ref(
        GST_MINI_OBJECT_CAST(buffer),
        [](gpointer gone, GstMiniObject *) { static_cast<std::atomic<bool> *>(gone)->store(true); },
        &gone_);
  }
  bool gone() const { return gone_; }
  void await_gone() const {
    while (!gone_) std::this_thread::yield();
  }

 private:
  std::atomic<bool> gone_{false};
};

class FenceBench {
 public:
  explicit FenceBench(const std::string &launch = "cudacampool name=pool slots=3 ! cudacamsink",
                      Gpu *gpu = nullptr)
      : own_(gpu ? nullptr : std::make_unique<Gpu>()), gpu_(gpu ? *gpu : *own_) {
    harness_ = gst_harness_new_parse(launch.c_str());
    auto *context = gst_context_new_cuda_context(gpu_.context());
    gst_element_set_context(harness_->element, context);
    gst_context_unref(context);
    gst_harness_set_src_caps_str(harness_,
                                 "video/x-raw(memory:CUDAMemory),format=NV12,width=64,height=48,"
                                 "framerate=30/1");
    pool_ = gst_harness_find_element(harness_, "cudacampool");
    sink_ = gst_harness_find_element(harness_, "cudacamsink");
  }
  ~FenceBench() {
    simulated.hold_all(false);  // a failed test may have left it on
    gst_object_unref(pool_);
    if (sink_) gst_object_unref(sink_);
    gst_harness_teardown(harness_);
  }
  FenceBench(const FenceBench &) = delete;
  FenceBench &operator=(const FenceBench &) = delete;

  const SimulatedDriver simulated;

  Gpu &gpu() const { return gpu_; }
  GstElement *pool() const { return pool_; }
  GstElement *sink() const { return sink_; }
  GstHarness *harness() const { return harness_; }
  guint64 count(const char *field) const { return number(pool_, field); }

  void push(BufferPtr frame) {
    fail_unless_equals_int(gst_harness_push(harness_, frame.release()), GST_FLOW_OK);
  }
  /// And waits until the GPU has copied it.
  void push(guint8 grey) {
    auto frame = gpu_.frame(grey);
    const Watched source(frame.get());
    push(std::move(frame));
    source.await_gone();
  }
  LeasePtr acquire(const char *holder = "reader") {
    GError *error = nullptr;
    LeasePtr lease(gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink_), holder, 0, &error));
    fail_unless(lease && !error, "%s", error ? error->message : "");
    return lease;
  }
  /// Readers' work has ended, and the fences know.
  void await_no_pending_slot() const {
    while (count("slots-pending")) std::this_thread::yield();
  }
  /// Frames are copied plane by plane, as without the kernel; before the first one.
  void leave_copies_to_the_driver() const {
    fail_unless(simulated.fault("cuModuleLoadData@1=CUDA_ERROR_NO_BINARY_FOR_GPU"));
  }
  /// Nothing that the simulated driver objects to has happened since the last call.
  void expect_no_violation() const {
    const auto violations = simulated.violations();
    const auto report = simulated.take_report();
    fail_unless(violations == 0, "%u violations: %s", violations, report.c_str());
  }
  /// Whether it has seen a race since the last call.
  bool raced() const {
    const auto violations = simulated.violations();
    return simulated.take_report().find("race") != std::string::npos && violations > 0;
  }
  void expect_race() const { fail_unless(raced(), "no race"); }

 private:
  const std::unique_ptr<Gpu> own_;
  Gpu &gpu_;
  GstHarness *harness_;
  GstElement *pool_;
  GstElement *sink_;
};

inline void wait_on_stream(const LeasePtr &lease, const Reader &reader) {
  GError *error = nullptr;
  fail_unless(gst_cuda_cam_lease_wait_on_stream(lease.get(), reader.stream(), &error), "%s",
              error ? error->message : "");
}

inline void release_after(const LeasePtr &lease, const Reader &reader) {
  GError *error = nullptr;
  fail_unless(gst_cuda_cam_lease_release_after(lease.get(), reader.stream(), &error), "%s",
              error ? error->message : "");
}

}  // namespace cudacam::test
