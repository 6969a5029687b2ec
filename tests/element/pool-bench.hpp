// SPDX-License-Identifier: LGPL-2.1-or-later
/// A cudacampool between a test that writes frames and one that reads them, in system memory or on
/// a GPU: the environment variable CUDACAM_TEST_MEMORY says which ("system", "cuda").
#pragma once

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/ptr.hpp"
#include "support/wait-until.hpp"
#ifdef HAVE_CUDA
#include "cuda/context.hpp"
#endif

namespace cudacam::test {

/// Where the frames of a test are. One for the process; on the GPU it owns a context.
class TestMemory {
 public:
  static TestMemory &get();
  /// Whether the environment asks for the GPU; whether this build and this host have one.
  static bool wants_gpu();
  static bool have_gpu();
  virtual ~TestMemory() = default;

  virtual bool on_gpu() const = 0;
  virtual std::string caps(const std::string &size) const = 0;
  /// Of a frame that nobody proposed memory for.
  virtual BufferPtr allocate(const GstVideoInfo &info) = 0;
  /// Sets all visible bytes, as the device's own work.
  virtual void fill(GstBuffer *frame, const GstVideoInfo &info, guint8 value) = 0;
  /// Tells `element` about the context, if there is one.
  virtual void share_with(GstElement *element) = 0;
  /// Lets go of the context.
  virtual void forget() = 0;
#ifdef HAVE_CUDA
  /// Null in system memory.
  virtual CudaContextPtr context() const {
    return nullptr;
  }
#endif
};

/// Allocations on the simulated GPU; 0 elsewhere.
std::int64_t gpu_allocations();

/// Whether every visible byte is `value`.
bool filled_with(GstBuffer *frame, const GstVideoInfo &info, guint8 value);

class PoolBench {
 public:
  static constexpr const char *kSmall = "width=64,height=48";
  static constexpr const char *kLarge = "width=128,height=96";

  static constexpr const char *kNone = nullptr;  // no caps yet

  explicit PoolBench(const char *launch = "cudacampool slots=3", const char *size = kSmall);
  ~PoolBench();

  GstElement *pool() const { return pool_; }
  GstHarness *harness() const { return harness_; }
  GstBus *bus() const { return bus_; }
  const GstVideoInfo &info() const { return info_; }

  /// Sends caps, then asks for a pool, as elements upstream do.
  void set_size(const char *size, const char *more = "");
  /// Asks for a pool. False when none was offered.
  bool negotiate();
  /// A frame from the pool that was offered, or null; as it is, or written.
  BufferPtr acquire();
  BufferPtr write(guint8 value);
  /// A frame that upstream allocated by itself.
  BufferPtr foreign(guint8 value);
  GstFlowReturn push(BufferPtr frame) { return gst_harness_push(harness_, frame.release()); }
  BufferPtr pull() { return BufferPtr(gst_harness_try_pull(harness_)); }
  /// A frame that was written into the pool, behind the element; null when it was dropped.
  BufferPtr pass(guint8 value);
  BufferPtr pass_foreign(guint8 value);

  /// Waits until memory that is being freed is.
  void settle();
  /// Of one slot, as the device rounds.
  gsize slot_bytes() const;

  /// The text of the next one that was posted, or nothing.
  std::string error() { return next(errors_); }
  std::string warning() { return next(warnings_); }

 private:
  std::string next(std::deque<std::string> &messages);

  GstHarness *harness_;
  GstElement *pool_;
  GstBus *bus_;
  CapsPtr caps_;
  GstVideoInfo info_;
  ObjectPtr<GstBufferPool> slots_;
  guint64 frames_ = 0;
  std::deque<std::string> errors_, warnings_;
};

}  // namespace cudacam::test
