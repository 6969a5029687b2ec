// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/lease.h"

#include <gst/video/video.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/ptr.hpp"
#include "lease/lender.h"

namespace {

// As in gst/cuda/gstcudamemory.h, which this library does without.
constexpr const char *kCudaMemory = "memory:CUDAMemory";
constexpr int kMapCuda = GST_MAP_FLAG_LAST << 1;

bool in_cuda_memory(GstCaps *caps) {
  return gst_caps_features_contains(gst_caps_get_features(caps, 0), kCudaMemory);
}

/// A frame's planes, mapped to be read.
class Planes {
 public:
  /// Null when the frame cannot be mapped.
  static std::unique_ptr<Planes> map(GstBuffer *buffer, GstCaps *caps) {
    GstVideoInfo info;
    if (!gst_video_info_from_caps(&info, caps)) return nullptr;
    const bool on_gpu = in_cuda_memory(caps);
    std::unique_ptr<Planes> planes(new Planes(on_gpu));
    const auto flags = GST_MAP_READ | (on_gpu ? kMapCuda : 0);
    if (!gst_video_frame_map(&planes->frame_, &info, buffer, GstMapFlags(flags))) return nullptr;
    planes->mapped_ = true;
    return planes;
  }
  ~Planes() {
    if (mapped_) gst_video_frame_unmap(&frame_);
  }
  Planes(const Planes &) = delete;
  Planes &operator=(const Planes &) = delete;

  bool get(guint index, GstCudaCamPlane *plane) const {
    if (index >= GST_VIDEO_FRAME_N_PLANES(&frame_)) return false;
    *plane = {};
    plane->address = reinterpret_cast<guintptr>(GST_VIDEO_FRAME_PLANE_DATA(&frame_, index));
    plane->pitch = static_cast<guint64>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame_, index));
    plane->on_gpu = on_gpu_;
    for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS(&frame_); ++c) {
      if (GST_VIDEO_FRAME_COMP_PLANE(&frame_, c) != index) continue;
      const auto bytes =
          GST_VIDEO_FRAME_COMP_WIDTH(&frame_, c) * GST_VIDEO_FRAME_COMP_PSTRIDE(&frame_, c);
      plane->row_bytes = std::max(plane->row_bytes, static_cast<guint64>(bytes));
      plane->rows =
          std::max(plane->rows, static_cast<guint>(GST_VIDEO_FRAME_COMP_HEIGHT(&frame_, c)));
    }
    // Formats without a whole number of bytes for each pixel.
    if (!plane->row_bytes) plane->row_bytes = plane->pitch;
    return true;
  }

 private:
  explicit Planes(bool on_gpu) : on_gpu_(on_gpu) {}

  const bool on_gpu_;
  bool mapped_ = false;
  GstVideoFrame frame_{};
};

}  // namespace

struct _GstCudaCamLease {
  std::atomic<int> references{1};
  const std::string holder;

  std::mutex mutex;  // guards all below; not held while they are given up
  cudacam::BufferPtr buffer;
  cudacam::CapsPtr caps;
  std::unique_ptr<Planes> planes;     // once somebody has asked for one
  const GstCudaCamLeaseFuncs *funcs;  // null when there are none, or released
  gpointer user_data;
  gboolean was_revoked = FALSE;  // when it was released

  _GstCudaCamLease(GstBuffer *frame, GstCaps *format, const char *name,
                   const GstCudaCamLeaseFuncs *way_back, gpointer data)
      : holder(name),
        buffer(cudacam::share(frame)),
        caps(cudacam::share(format)),
        funcs(way_back),
        user_data(data) {}

  /// With the mutex held, which keeps `user_data` alive; it comes before the lender's lock.
  gboolean ask_revoked() const {
    return funcs && funcs->is_revoked ? funcs->is_revoked(user_data) : was_revoked;
  }
};

G_DEFINE_BOXED_TYPE(GstCudaCamLease, gst_cuda_cam_lease, gst_cuda_cam_lease_ref,
                    gst_cuda_cam_lease_unref)

GstCudaCamLease *gst_cuda_cam_lease_new(GstBuffer *buffer, GstCaps *caps, const gchar *holder,
                                        const GstCudaCamLeaseFuncs *funcs, gpointer user_data) {
  g_return_val_if_fail(GST_IS_BUFFER(buffer) && GST_IS_CAPS(caps) && holder, nullptr);
  return new GstCudaCamLease(buffer, caps, holder, funcs, user_data);
}

GstCudaCamLease *gst_cuda_cam_lease_ref(GstCudaCamLease *lease) {
  g_return_val_if_fail(lease, nullptr);
  lease->references.fetch_add(1, std::memory_order_relaxed);
  return lease;
}

void gst_cuda_cam_lease_unref(GstCudaCamLease *lease) {
  g_return_if_fail(lease);
  if (lease->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  gst_cuda_cam_lease_release(lease);
  delete lease;
}

void gst_cuda_cam_lease_release(GstCudaCamLease *lease) {
  g_return_if_fail(lease);
  cudacam::BufferPtr buffer;
  cudacam::CapsPtr caps;
  std::unique_ptr<Planes> planes;
  const GstCudaCamLeaseFuncs *funcs = nullptr;
  {
    std::lock_guard lock(lease->mutex);
    buffer = std::move(lease->buffer);
    caps = std::move(lease->caps);
    planes = std::move(lease->planes);
    lease->was_revoked = lease->ask_revoked();
    funcs = std::exchange(lease->funcs, nullptr);
  }
  planes.reset();
  buffer.reset();
  if (funcs && funcs->released) funcs->released(lease->user_data);
}

/// Calls a function of the frame's fence, which a frame that needs none lacks.
template <class Call>
static gboolean with_fence(GstCudaCamLease *lease, GError **error, Call &&call) {
  cudacam::BufferPtr buffer;  // a release by another thread must not take it away
  bool on_gpu = false;
  {
    std::lock_guard lock(lease->mutex);
    if (lease->buffer) {
      buffer = cudacam::share(lease->buffer.get());
      on_gpu = in_cuda_memory(lease->caps.get());
    }
  }
  if (!buffer) {
    g_set_error(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_RELEASED,
                "the lease of holder %s was released", lease->holder.c_str());
    return FALSE;
  }
  if (auto *fence = gst_cuda_cam_buffer_get_fence(buffer.get())) return call(fence);
  if (!on_gpu) return TRUE;
  g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SYNC,
              "the frame does not come from a cudacampool: the GPU's work on it cannot be ordered");
  return FALSE;
}

gboolean gst_cuda_cam_lease_wait(GstCudaCamLease *lease, GError **error) {
  g_return_val_if_fail(lease, FALSE);
  return with_fence(lease, error,
                    [&](auto *fence) { return gst_cuda_cam_fence_wait(fence, error); });
}

gboolean gst_cuda_cam_lease_wait_on_stream(GstCudaCamLease *lease, gpointer cuda_stream,
                                           GError **error) {
  g_return_val_if_fail(lease, FALSE);
  return with_fence(lease, error, [&](auto *fence) {
    return gst_cuda_cam_fence_wait_on_stream(fence, cuda_stream, error);
  });
}

gboolean gst_cuda_cam_lease_release_after(GstCudaCamLease *lease, gpointer cuda_stream,
                                          GError **error) {
  g_return_val_if_fail(lease, FALSE);
  const auto ordered = with_fence(lease, error, [&](auto *fence) {
    return gst_cuda_cam_fence_add_reader(fence, cuda_stream, error);
  });
  if (ordered) gst_cuda_cam_lease_release(lease);
  return ordered;
}

GstBuffer *gst_cuda_cam_lease_get_buffer(GstCudaCamLease *lease) {
  g_return_val_if_fail(lease, nullptr);
  std::lock_guard lock(lease->mutex);
  return lease->buffer.get();
}

GstCaps *gst_cuda_cam_lease_get_caps(GstCudaCamLease *lease) {
  g_return_val_if_fail(lease, nullptr);
  std::lock_guard lock(lease->mutex);
  return lease->caps.get();
}

const GstCudaCamFrameMeta *gst_cuda_cam_lease_get_frame_meta(GstCudaCamLease *lease) {
  auto *buffer = gst_cuda_cam_lease_get_buffer(lease);
  return buffer ? gst_buffer_get_cuda_cam_frame_meta(buffer) : nullptr;
}

const gchar *gst_cuda_cam_lease_get_holder(GstCudaCamLease *lease) {
  g_return_val_if_fail(lease, nullptr);
  return lease->holder.c_str();
}

gboolean gst_cuda_cam_lease_get_plane(GstCudaCamLease *lease, guint index, GstCudaCamPlane *plane) {
  g_return_val_if_fail(lease && plane, FALSE);
  std::lock_guard lock(lease->mutex);
  if (!lease->buffer) return FALSE;
  if (!lease->planes) lease->planes = Planes::map(lease->buffer.get(), lease->caps.get());
  return lease->planes && lease->planes->get(index, plane);
}

gboolean gst_cuda_cam_lease_is_revoked(GstCudaCamLease *lease) {
  g_return_val_if_fail(lease, FALSE);
  std::lock_guard lock(lease->mutex);
  return lease->ask_revoked();
}
