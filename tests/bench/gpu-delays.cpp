// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gpu-delays.hpp"

#include <chrono>
#include <utility>

#ifdef HAVE_CUDA
#include "cuda/compat.hpp"
#include "cuda/context.hpp"
#include "cuda/frame-layout.hpp"
#include "cuda/mapped-frame.hpp"
#include "cuda/plane-copier.hpp"
#include "cuda/stream.hpp"
#include "support/cuda-api.hpp"
#endif

namespace cudacam::bench {

GpuDelays::GpuDelays() = default;

GpuDelays::Work GpuDelays::work() {
  return std::exchange(work_, {});
}

#ifdef HAVE_CUDA

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

struct GpuDelays::Gpu {
  explicit Gpu(GstCudaContext *context)
      : scope(context), stream(context, CU_STREAM_NON_BLOCKING), planes(PlaneCopier::of(context)) {
    for (auto *event : {&before, &after})
      driver().cuEventCreate(event, static_cast<unsigned>(CU_EVENT_DEFAULT));  // with the time
  }
  ~Gpu() {
    for (auto *event : {before, after}) driver().cuEventDestroy.quiet(event);
    driver().cuMemFree.quiet(target);
  }

  /// The planes of `frame`, and where they are copied to.
  std::vector<PlaneCopy> planes_of(const GstVideoInfo &info, const MappedFrame &frame) {
    std::size_t bytes = 0;
    for (unsigned i = 0; i < frame.planes(); ++i)
      bytes += std::size_t{frame.pitch(i)} * plane_size(info, i).rows;
    if (bytes > size) {
      driver().cuMemFree(std::exchange(target, 0));
      driver().cuMemAlloc(&target, bytes);
      size = bytes;
    }
    std::vector<PlaneCopy> copies;
    auto *to = reinterpret_cast<unsigned char *>(target);
    for (unsigned i = 0; i < frame.planes(); ++i) {
      const auto plane = plane_size(info, i);
      copies.push_back(
          {frame.plane(i), to, frame.pitch(i), frame.pitch(i), plane.width, plane.rows});
      to += std::size_t{frame.pitch(i)} * plane.rows;
    }
    return copies;
  }

  template <class Submit>
  void measure(Times &times, Submit &&submit) {
    static const test::CudaCall<decltype(::cuEventElapsedTime)> elapsed(test::cuda().library,
                                                                        "cuEventElapsedTime");
    const auto start = Clock::now();
    driver().cuEventRecord(before, stream.handle());
    submit();
    driver().cuEventRecord(after, stream.handle());
    const auto submitted = Clock::now();
    driver().cuEventSynchronize(after);
    const auto completed = Clock::now();
    float on_gpu = 0;
    elapsed(&on_gpu, before, after);
    times.submitted.push_back(milliseconds(submitted - start));
    times.completed.push_back(milliseconds(completed - start));
    times.on_gpu.push_back(on_gpu);
  }

  const ContextScope scope;  // of the thread that takes frames
  const Stream stream;
  const std::shared_ptr<PlaneCopier> planes;
  CUevent before = nullptr, after = nullptr;
  CUdeviceptr target = 0;
  std::size_t size = 0;
};

void GpuDelays::take(GstBuffer *frame) try {
  auto *memory = gst_buffer_peek_memory(frame, 0);
  if (!gst_is_cuda_memory(memory) || !error_.empty()) return;
  auto *cuda_memory = GST_CUDA_MEMORY_CAST(memory);
  const ContextScope scope(cuda_memory->context);
  if (!gpu_) gpu_ = std::make_unique<Gpu>(cuda_memory->context);
  if (auto *writer = compat::pending_stream(memory)) driver().cuStreamSynchronize(writer);
  const MappedFrame mapped(cuda_memory->info, frame, GST_MAP_READ);
  const auto planes = gpu_->planes_of(cuda_memory->info, mapped);
  auto *stream = gpu_->stream.handle();
  gpu_->measure(work_.copies, [&] {
    for (const auto &plane : planes) copy_by_driver(plane, stream);
  });
  if (!gpu_->planes->has_kernel()) return;
  gpu_->measure(work_.launches,
                [&] { gpu_->planes->enqueue(planes.data(), planes.size(), stream); });
} catch (const std::exception &failure) {
  error_ = failure.what();
}

#else

struct GpuDelays::Gpu {};

void GpuDelays::take(GstBuffer *) {
}

#endif

GpuDelays::~GpuDelays() = default;

}  // namespace cudacam::bench
