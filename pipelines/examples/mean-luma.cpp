// SPDX-License-Identifier: LGPL-2.1-or-later
/// An application with a CUDA context of its own reads frames with kernels of its own, where they
/// are, on two threads: mean-luma PIPELINE FRAMES KERNELS
///
/// The detector takes the newest frame, the recorder every one, FRAMES each. Both have a CUDA
/// stream of their own, on which their kernels run beside each other, also on the same frame.
///
/// The context is the device's *primary* one, the one that the CUDA runtime uses, and with it
/// TensorRT, CuPy or PyTorch: a pointer to a frame is good for all of them. The pipeline's elements
/// get it before they could make one. KERNELS is the compiled kernels/mean_luma.cu (nvcc -fatbin).
/// Prints the mean brightness of each frame that each of them reads.
#include <cuda.h>
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudautils.h>
#include <gst/gst.h>
#include <gstcudacam.h>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

template <auto Free>
struct With {
  template <class T>
  void operator()(T *it) const {
    Free(it);
  }
};
using Element = std::unique_ptr<GstElement, With<gst_object_unref>>;
using Lease = std::unique_ptr<GstCudaCamLease, With<gst_cuda_cam_lease_unref>>;
using Holder = std::unique_ptr<GstCudaCamHolder, With<gst_cuda_cam_holder_unref>>;
using Error = std::unique_ptr<GError, With<g_error_free>>;

void check(CUresult result, const char *call) {
  if (result == CUDA_SUCCESS) return;
  const char *name = "an unknown error";
  cuGetErrorName(result, &name);
  throw std::runtime_error(std::string(call) + ": " + name);
}
#define CHECK(call) check(call, #call)

[[noreturn]] void fail(const char *what, GError *error) {
  const Error owned(error);
  throw std::runtime_error(std::string(what) + ": " + (error ? error->message : "failed"));
}

/// The primary context of a device.
class PrimaryContext {
 public:
  explicit PrimaryContext(int ordinal) {
    CHECK(cuInit(0));
    CHECK(cuDeviceGet(&device_, ordinal));
    CHECK(cuDevicePrimaryCtxRetain(&context_, device_));
  }
  // Frames, elements and everything else in the context must be gone by now.
  ~PrimaryContext() { cuDevicePrimaryCtxRelease(device_); }

  void make_current() const { CHECK(cuCtxSetCurrent(context_)); }

  /// Makes it the context of all elements of the pipeline, which is not yet running.
  void give_to(GstElement *pipeline) const {
    // Elements that need CUDA do this, too, but a camera's decoder is made when the camera is
    // there.
    if (!gst_cuda_load_library()) throw std::runtime_error("GStreamer finds no CUDA driver");
    auto *wrapped = gst_cuda_context_new_wrapped(context_, device_);
    if (!wrapped) throw std::runtime_error("GStreamer does not take the CUDA context");
    auto *context = gst_context_new_cuda_context(wrapped);
    gst_element_set_context(pipeline, context);
    gst_context_unref(context);
    gst_object_unref(wrapped);  // the pipeline keeps it
  }

 private:
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
};

/// The kernel, and what it needs for frames of any one width.
class MeanLuma {
 public:
  explicit MeanLuma(const char *kernels) {
    CHECK(cuModuleLoad(&module_, kernels));
    CHECK(cuModuleGetFunction(&sum_columns_, module_, "sum_columns"));
    CHECK(cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING));
  }
  ~MeanLuma() {
    cuStreamSynchronize(stream_);
    cuMemFree(sums_);
    cuStreamDestroy(stream_);
    cuModuleUnload(module_);
  }
  MeanLuma(const MeanLuma &) = delete;
  MeanLuma &operator=(const MeanLuma &) = delete;

  /// Takes the lease: the frame goes back to the camera as soon as the GPU has read it.
  double of(Lease lease) {
    GstCudaCamPlane plane;
    if (!gst_cuda_cam_lease_get_plane(lease.get(), 0, &plane) || !plane.on_gpu)
      throw std::runtime_error("the frames are not in CUDA memory");
    auto width = static_cast<unsigned>(plane.row_bytes);
    prepare(width);

    // The GPU waits for the frame, this thread does not.
    GError *error = nullptr;
    if (!gst_cuda_cam_lease_wait_on_stream(lease.get(), stream_, &error)) fail("wait", error);
    auto pitch = static_cast<unsigned>(plane.pitch);
    auto rows = static_cast<unsigned>(plane.rows);
    CUdeviceptr pixels = plane.address;
    void *parameters[] = {&pixels, &pitch, &width, &rows, &sums_};
    constexpr unsigned kThreads = 256;
    CHECK(cuLaunchKernel(sum_columns_, (width + kThreads - 1) / kThreads, 1, 1, kThreads, 1, 1, 0,
                         stream_, parameters, nullptr));
    // Nothing after the kernel needs the frame.
    if (!gst_cuda_cam_lease_release_after(lease.get(), stream_, &error)) fail("release", error);

    std::vector<unsigned> sums(width);
    CHECK(cuMemcpyDtoHAsync(sums.data(), sums_, width * sizeof(unsigned), stream_));
    CHECK(cuStreamSynchronize(stream_));
    return std::accumulate(sums.begin(), sums.end(), 0.0) / width / rows;
  }

 private:
  void prepare(unsigned width) {
    if (width == width_) return;
    CHECK(cuMemFree(sums_));
    CHECK(cuMemAlloc(&sums_, width * sizeof(unsigned)));
    width_ = width;
  }

  CUmodule module_ = nullptr;
  CUfunction sum_columns_ = nullptr;
  CUstream stream_ = nullptr;
  CUdeviceptr sums_ = 0;
  unsigned width_ = 0;
};

/// An inference thread.
void read_frames(const PrimaryContext &context, GstCudaCamHolder *holder, int frames,
                 const char *kernels) {
  context.make_current();  // of each thread that calls the driver
  MeanLuma mean(kernels);
  for (int i = 0; i < frames; ++i) {
    GError *error = nullptr;
    Lease lease(gst_cuda_cam_holder_acquire(holder, 10 * GST_SECOND, &error));
    if (!lease) fail("no frame", error);
    const auto *meta = gst_cuda_cam_lease_get_frame_meta(lease.get());
    const auto sequence = meta ? meta->sequence : 0;
    std::printf("%s %" G_GUINT64_FORMAT ": %.1f\n", gst_cuda_cam_holder_get_name(holder), sequence,
                mean.of(std::move(lease)));
  }
}

void run(const char *launch, int frames, const char *kernels) {
  const PrimaryContext context(0);
  GError *error = nullptr;
  const Element pipeline(gst_parse_launch(launch, &error));
  if (!pipeline) fail("pipeline", error);
  const Element sink(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink"));
  if (!sink) throw std::runtime_error("the pipeline needs a cudacamsink name=sink");
  context.give_to(pipeline.get());

  // Before the first frame, so that the recorder misses none.
  auto *lender = GST_CUDA_CAM_LENDER(sink.get());
  const Holder detector(
      gst_cuda_cam_holder_new(lender, "detector", GST_CUDA_CAM_HOLDER_MODE_LATEST, 0, nullptr));
  const Holder recorder(
      gst_cuda_cam_holder_new(lender, "recorder", GST_CUDA_CAM_HOLDER_MODE_EVERY, 4, nullptr));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const auto start = [&](const Holder &holder) {
    return std::async(std::launch::async,
                      [&] { read_frames(context, holder.get(), frames, kernels); });
  };
  auto detecting = start(detector);
  auto recording = start(recorder);
  detecting.wait();
  recording.wait();
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  detecting.get();  // throws what the thread threw
  recording.get();
}

}  // namespace

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc != 4) {
    std::fprintf(stderr, "usage: mean-luma PIPELINE FRAMES KERNELS\n");
    return 2;
  }
  try {
    run(argv[1], std::atoi(argv[2]), argv[3]);
    return 0;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
