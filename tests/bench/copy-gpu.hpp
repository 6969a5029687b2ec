// SPDX-License-Identifier: LGPL-2.1-or-later
/// A GPU by the driver alone, with the kernels: neither GStreamer nor the CUDA runtime.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/copy_frames.hpp"
#include "tests/support/cuda-api.hpp"

namespace cudacam::bench {

/// Thrown when there is nothing to measure with.
class NotHere : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void *library() {
  static void *const handle = dlopen("libcuda.so.1", RTLD_NOW);
  if (!handle) throw NotHere("no NVIDIA driver: libcuda.so.1 is not there");
  return handle;
}

/// `CALL(cuMemFree)(memory)` throws when it fails; `static const FUNCTION(cuEventRecord, record)`
/// is looked up once, for what is timed. Names pass through cuda.h's macros: cuMemAlloc means
/// cuMemAlloc_v2.
#define CALL(name) cudacam::test::CudaCall<decltype(::name)>(library(), TEST_CUDA_TEXT(name))
#define FUNCTION(name, variable) \
  cudacam::test::CudaCall<decltype(::name)> variable(library(), TEST_CUDA_TEXT(name))

/// What nvcc made of the kernels; null without it.
const void *kernels_of_nvcc();

struct Size {
  unsigned width, height;
  unsigned pitch() const { return (width + 511) / 512 * 512; }
  std::size_t bytes() const { return std::size_t{pitch()} * height * 3 / 2; }
};

/// As many frames as no cache holds, each with what it is copied to.
class Ring {
 public:
  Ring(Size size, std::size_t frames) : size_(size) {
    for (std::size_t i = 0; i < frames; ++i) {
      for (auto *side : {&sources_, &targets_}) {
        CUdeviceptr memory = 0;
        CALL(cuMemAlloc)(&memory, size.bytes());
        CALL(cuMemsetD8)(memory, static_cast<unsigned char>(i), size.bytes());
        side->push_back(memory);
      }
    }
    CALL(cuCtxSynchronize)();  // the fills are on another stream than the copies
  }
  ~Ring() {
    for (const auto *side : {&sources_, &targets_})
      for (const auto memory : *side) CALL(cuMemFree)(memory);
  }
  Ring(const Ring &) = delete;
  Ring &operator=(const Ring &) = delete;

  /// The planes of the next `frames`.
  const std::vector<PlaneCopy> &next(unsigned frames) {
    planes_.clear();
    for (unsigned i = 0; i < frames; ++i) {
      auto *from = reinterpret_cast<unsigned char *>(sources_[position_]);
      auto *to = reinterpret_cast<unsigned char *>(targets_[position_]);
      const auto luma = std::size_t{size_.pitch()} * size_.height;
      planes_.push_back({from, to, size_.pitch(), size_.pitch(), size_.width, size_.height});
      planes_.push_back(
          {from + luma, to + luma, size_.pitch(), size_.pitch(), size_.width, size_.height / 2});
      position_ = (position_ + 1) % sources_.size();
    }
    return planes_;
  }

 private:
  const Size size_;
  std::vector<CUdeviceptr> sources_, targets_;
  std::vector<PlaneCopy> planes_;
  std::size_t position_ = 0;
};

/// Keeps a stream from going on until it is opened.
class Gate {
 public:
  ~Gate() { open(); }
  void close(CUstream stream) {
    open_ = false;
    CALL(cuLaunchHostFunc)(stream, wait, static_cast<void *>(this));
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  static void CUDA_CB wait(void *data) {
    auto *self = static_cast<Gate *>(data);
    std::unique_lock lock(self->mutex_);
    self->changed_.wait(lock, [&] { return self->open_; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
};

class Gpu {
 public:
  explicit Gpu(const char *host_build) {
    CALL(cuInit)(0u);
    CUdevice device = 0;
    CALL(cuDeviceGet)(&device, 0);
    char name[256] = {};
    CALL(cuDeviceGetName)(name, static_cast<int>(sizeof name), device);
    name_ = name;
    CALL(cuDriverGetVersion)(&driver_version_);
    CALL(cuDevicePrimaryCtxRetain)(&context_, device);
    CALL(cuCtxSetCurrent)(context_);
    CALL(cuStreamCreate)(&stream_, static_cast<unsigned>(CU_STREAM_NON_BLOCKING));
    CALL(cuEventCreate)(&start_, static_cast<unsigned>(CU_EVENT_DEFAULT));
    CALL(cuEventCreate)(&end_, static_cast<unsigned>(CU_EVENT_DEFAULT));
    load(host_build);
  }

  const std::string &name() const { return name_; }
  /// The GPU's context, for other threads.
  CUcontext context() const { return context_; }
  int driver_version() const { return driver_version_; }

  void by_driver(const std::vector<PlaneCopy> &planes) const {
    for (const auto &plane : planes) {
      CUDA_MEMCPY2D copy{};
      copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
      copy.srcDevice = reinterpret_cast<CUdeviceptr>(plane.source);
      copy.dstDevice = reinterpret_cast<CUdeviceptr>(plane.target);
      copy.srcPitch = plane.source_pitch;
      copy.dstPitch = plane.target_pitch;
      copy.WidthInBytes = plane.width;
      copy.Height = plane.rows;
      by_driver_call(copy);
    }
  }

  void by_driver_call(const CUDA_MEMCPY2D &copy) const {
    static const FUNCTION(cuMemcpy2DAsync, copy_2d);
    copy_2d(&copy, stream_);
  }

  /// As cudacampool does it.
  void by_kernel(const std::vector<PlaneCopy> &planes) const { by_kernel_on(stream_, planes); }
  void by_kernel_on(CUstream stream, const std::vector<PlaneCopy> &planes) const {
    for (std::size_t done = 0; done < planes.size(); done += kLargeTable) {
      const auto count = std::min<std::size_t>(planes.size() - done, kLargeTable);
      if (count <= kSmallTable)
        launch<kSmallTable>(copy_frame_, &planes[done], count, stream);
      else
        launch<kLargeTable>(copy_frames_, &planes[done], count, stream);
    }
  }

  /// Of one frame through the table for many: what the small table saves.
  void by_large_table(const std::vector<PlaneCopy> &planes) const {
    launch<kLargeTable>(copy_frames_, planes.data(), planes.size(), stream_);
  }

  /// Microseconds of GPU time that what `work` enqueues takes.
  template <class Work>
  double measure(Work &&work) const {
    Gate gate;
    gate.close(stream_);
    CALL(cuEventRecord)(start_, stream_);
    work();
    CALL(cuEventRecord)(end_, stream_);
    gate.open();
    CALL(cuEventSynchronize)(end_);
    float milliseconds = 0;
    CALL(cuEventElapsedTime)(&milliseconds, start_, end_);
    return milliseconds * 1000.0;
  }

  void wait() const { CALL(cuStreamSynchronize)(stream_); }

 private:
  template <unsigned Capacity>
  void launch(CUfunction kernel, const PlaneCopy *planes, std::size_t count,
              CUstream stream) const {
    static const FUNCTION(cuLaunchKernel, launch_kernel);
    PlaneTable<Capacity> table{};
    const auto blocks = fill(table, planes, count);
    void *parameters[] = {&table};
    launch_kernel(kernel, blocks, 1u, 1u, kTileColumns, kBlockRows, 1u, 0u, stream, parameters,
                  static_cast<void **>(nullptr));
  }

  void load(const char *host_build) {
    const void *image = nullptr;
    if (host_build) {
      std::ifstream file(host_build, std::ios::binary);
      host_image_.assign(std::istreambuf_iterator<char>(file), {});
      image = host_image_.data();
    }
    if (!image) image = kernels_of_nvcc();
    if (!image) throw NotHere("built without kernels (no nvcc): nothing to compare");
    CUmodule module = nullptr;
    CALL(cuModuleLoadData)(&module, image);
    CALL(cuModuleGetFunction)(&copy_frame_, module, "copy_frame");
    CALL(cuModuleGetFunction)(&copy_frames_, module, "copy_frames");
  }

  std::string name_;
  CUcontext context_ = nullptr;
  int driver_version_ = 0;
  std::string host_image_;
  CUstream stream_ = nullptr;
  CUevent start_ = nullptr, end_ = nullptr;
  CUfunction copy_frame_ = nullptr, copy_frames_ = nullptr;
};

}  // namespace cudacam::bench
