// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/copy.hpp"

#include <stdexcept>

#include "cuda/compat.hpp"
#include "cuda/frame-layout.hpp"
#include "cuda/mapped-frame.hpp"
#include "cuda/order.hpp"

#define GST_CAT_DEFAULT cudacam::cuda_category()

namespace cudacam {
namespace {

struct Planes {
  PlaneCopy of[GST_VIDEO_MAX_PLANES];
  unsigned count = 0;
};

/// A decoder's frame may be larger than the picture in it.
Planes planes_of(const GstVideoInfo &picture, const MappedFrame &from, const MappedFrame &to) {
  Planes planes;
  for (; planes.count < to.planes(); ++planes.count) {
    const auto i = planes.count;
    const auto size = plane_size(picture, i);
    // Rows from the bottom up are none that the GPU could be told of.
    if (size.rows > 1 && static_cast<int>(from.pitch(i)) < static_cast<int>(size.width))
      throw std::runtime_error("the frame is not what its caps say: its rows overlap");
    planes.of[i] = {from.plane(i), to.plane(i), from.pitch(i), to.pitch(i), size.width, size.rows};
  }
  return planes;
}

/// Calls `ask(writer)` for each stream that may still write the frame. After it was mapped, which
/// may have queued an upload.
template <class Ask>
void for_each_writer(GstBuffer *frame, Ask &&ask) {
  for (guint i = 0; i < gst_buffer_n_memory(frame); ++i)
    if (auto *writer = compat::pending_stream(gst_buffer_peek_memory(frame, i))) ask(writer);
}

bool idle(CUstream stream) {
  const auto result = driver().cuStreamQuery.quiet(stream);
  if (result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY)
    driver().cuStreamQuery.throw_failure(result);
  return result == CUDA_SUCCESS;
}

/// Makes `stream` wait for what still writes the frame.
void wait_for_writers(GstBuffer *frame, CUstream stream) {
  for_each_writer(frame, [&](CUstream writer) {
    if (writer != stream) order(writer, stream);
  });
}

/// From memory of the same GPU.
class SameGpuCopy : public CopyJob {
 public:
  SameGpuCopy(const PlaneCopier &copier, const Planes &planes, GstBuffer *source, CUstream stream)
      : CopyJob(planes.of, planes.count), copier_(copier), source_(source), stream_(stream) {}

  /// The stream itself waits for, or has, what still works on the target.
  bool independent() override {
    bool independent = idle(stream_);
    for_each_writer(source_, [&](CUstream writer) { independent = independent && idle(writer); });
    return independent;
  }
  void alone() override {
    wait_for_writers(source_, stream_);
    copier_.enqueue(first_plane, planes(), stream_);
  }

 private:
  const PlaneCopier &copier_;
  GstBuffer *const source_;
  const CUstream stream_;
};

}  // namespace

FrameCopier::FrameCopier(GstCudaContext *context)
    : context_(share(context)), combiner_(CopyCombiner::of(context)) {
}

/// Lets the GPU read the memory of another GPU's context, once for each context that comes.
void FrameCopier::reach(GstCudaContext *peer) {
  if (peer == reached_.get()) return;
  auto *handle = static_cast<CUcontext>(gst_cuda_context_get_handle(peer));
  const auto result = driver().cuCtxEnablePeerAccess.quiet(handle, 0u);
  const bool direct = result == CUDA_SUCCESS || result == CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
  GST_INFO_OBJECT(context_.get(), "frames come from CUDA device %d, %s", device_of(peer),
                  direct ? "directly" : "by way of host memory: the GPUs cannot reach each other");
  reached_ = share(peer);
}

CUstream FrameCopier::enqueue(const GstVideoInfo &info, GstBuffer *source, GstBuffer *target,
                              StreamView stream, bool by_host) {
  const MappedFrame from(
      info, source, GST_MAP_READ,
      by_host ? MappedFrame::Pointers::kHost : MappedFrame::Pointers::kWhereItLies);
  const MappedFrame to(info, target, GST_MAP_WRITE);
  const auto planes = planes_of(info, from, to);
  const ContextScope scope(context_.get());
  try {
    if (!from.context()) {
      for (unsigned i = 0; i < planes.count; ++i)
        copy_by_driver(planes.of[i], stream.handle, CU_MEMORYTYPE_HOST);
    } else if (from.context() == context_.get() ||
               device_of(from.context()) == device_of(context_.get())) {
      SameGpuCopy job(combiner_->planes(), planes, source, stream.handle);
      if (!combiner_->planes().has_kernel())
        job.alone();
      else if (combiner_->run(job))
        return combiner_->stream();
    } else {
      reach(from.context());
      wait_for_writers(source, stream.handle);
      for (unsigned i = 0; i < planes.count; ++i)
        copy_by_driver(planes.of[i], stream.handle, CU_MEMORYTYPE_UNIFIED);
    }
  } catch (const CudaError &) {
    // What was enqueued still reads the source, which its owner is about to get back.
    driver().cuStreamSynchronize.quiet(stream.handle);
    throw;
  }
  return stream.handle;
}

}  // namespace cudacam
