// SPDX-License-Identifier: LGPL-2.1-or-later
/// copy [REPETITIONS]: what copies of NV12 frames cost the GPU, in microseconds, as JSON on stdout.
///
///   driver    a cuMemcpy2DAsync for each plane: what is done without the kernels
///   kernels   one launch for a frame; for 1, 4, 16 and 64 frames together (64: two launches)
///   ratio     kernels / driver for one frame; below 1 the kernels are faster
///   enqueue   what the calls of one frame cost the CPU
///
/// Each figure is the median over REPETITIONS (default 200) of the time between two events, over as
/// many copies back to back as make their overhead small. The GPU starts when all of them are
/// queued, so it never waits for the CPU. Frames are the next in a ring larger than the GPU's
/// cache, as cameras' are. The ways take turns, so that clocks and temperature are the same for
/// all.
///
/// First of all the kernels copy planes of odd sizes and alignments, which are compared byte for
/// byte; with a second GPU, so is a copy from there.
///
/// It needs a driver and nothing else: neither GStreamer nor the CUDA runtime. On the simulated
/// driver frames are small and figures mean nothing, and it says so.
#include <cuda.h>
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/copy_frames.hpp"

#ifdef HAVE_CUDA_KERNELS
extern "C" const unsigned long long cudacam_kernels[];
#endif

namespace {

using cudacam::PlaneCopy;

void *library() {
  static void *const handle = dlopen("libcuda.so.1", RTLD_NOW);
  if (!handle) throw std::runtime_error("no NVIDIA driver: libcuda.so.1 is not there");
  return handle;
}

template <class Function, class... Args>
void call(const char *name, Args... args) {
  auto *function = reinterpret_cast<Function *>(dlsym(library(), name));
  if (!function) throw std::runtime_error(std::string("the driver has no ") + name);
  if (const auto result = function(args...))
    throw std::runtime_error(std::string(name) + " gave CUDA error " + std::to_string(result));
}
// Through a second macro, for cuda.h's own: cuMemAlloc means cuMemAlloc_v2.
#define TEXT(name) #name
#define NAME(name) TEXT(name)
#define CALL0(name) call<decltype(::name)>(NAME(name))
#define CALL(name, ...) call<decltype(::name)>(NAME(name), __VA_ARGS__)

/// Looked up once: these are timed.
template <class Function>
Function *find(const char *name) {
  auto *function = reinterpret_cast<Function *>(dlsym(library(), name));
  if (!function) throw std::runtime_error(std::string("the driver has no ") + name);
  return function;
}
const auto memcpy_2d = [](const CUDA_MEMCPY2D *copy, CUstream stream) {
  static auto *const function = find<decltype(::cuMemcpy2DAsync)>(NAME(cuMemcpy2DAsync));
  if (const auto result = function(copy, stream))
    throw std::runtime_error("cuMemcpy2DAsync gave " + std::to_string(result));
};

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
        CALL(cuMemAlloc, &memory, size.bytes());
        CALL(cuMemsetD8, memory, static_cast<unsigned char>(i), size.bytes());
        side->push_back(memory);
      }
    }
    CALL0(cuCtxSynchronize);  // the fills are on another stream than the copies
  }
  ~Ring() {
    for (const auto *side : {&sources_, &targets_})
      for (const auto memory : *side) CALL(cuMemFree, memory);
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
    CALL(cuLaunchHostFunc, stream, wait, static_cast<void *>(this));
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
    CALL(cuInit, 0u);
    CUdevice device = 0;
    CALL(cuDeviceGet, &device, 0);
    char name[256] = {};
    CALL(cuDeviceGetName, name, static_cast<int>(sizeof name), device);
    name_ = name;
    CALL(cuDriverGetVersion, &driver_version_);
    CUcontext context = nullptr;
    CALL(cuDevicePrimaryCtxRetain, &context, device);
    CALL(cuCtxSetCurrent, context);
    CALL(cuStreamCreate, &stream_, static_cast<unsigned>(CU_STREAM_NON_BLOCKING));
    CALL(cuEventCreate, &start_, static_cast<unsigned>(CU_EVENT_DEFAULT));
    CALL(cuEventCreate, &end_, static_cast<unsigned>(CU_EVENT_DEFAULT));
    load(host_build);
  }

  const std::string &name() const { return name_; }
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
      memcpy_2d(&copy, stream_);
    }
  }

  void by_driver_call(const CUDA_MEMCPY2D &copy) const { memcpy_2d(&copy, stream_); }

  /// As cudacampool does it.
  void by_kernel(const std::vector<PlaneCopy> &planes) const {
    for (std::size_t done = 0; done < planes.size(); done += cudacam::kLargeTable) {
      const auto count = std::min<std::size_t>(planes.size() - done, cudacam::kLargeTable);
      if (count <= cudacam::kSmallTable)
        launch<cudacam::kSmallTable>(copy_frame_, &planes[done], count);
      else
        launch<cudacam::kLargeTable>(copy_frames_, &planes[done], count);
    }
  }

  /// Of one frame through the table for many: what the small table saves.
  void by_large_table(const std::vector<PlaneCopy> &planes) const {
    launch<cudacam::kLargeTable>(copy_frames_, planes.data(), planes.size());
  }

  /// Microseconds of GPU time that what `work` enqueues takes.
  template <class Work>
  double measure(Work &&work) const {
    Gate gate;
    gate.close(stream_);
    CALL(cuEventRecord, start_, stream_);
    work();
    CALL(cuEventRecord, end_, stream_);
    gate.open();
    CALL(cuEventSynchronize, end_);
    float milliseconds = 0;
    CALL(cuEventElapsedTime, &milliseconds, start_, end_);
    return milliseconds * 1000.0;
  }

  void wait() const { CALL(cuStreamSynchronize, stream_); }

 private:
  template <unsigned Capacity>
  void launch(CUfunction kernel, const PlaneCopy *planes, std::size_t count) const {
    static auto *const function = find<decltype(::cuLaunchKernel)>(NAME(cuLaunchKernel));
    cudacam::PlaneTable<Capacity> table{};
    const auto blocks = cudacam::fill(table, planes, count);
    void *parameters[] = {&table};
    if (const auto result = function(kernel, blocks, 1, 1, cudacam::kTileColumns,
                                     cudacam::kBlockRows, 1, 0, stream_, parameters, nullptr))
      throw std::runtime_error("cuLaunchKernel gave " + std::to_string(result));
  }

  void load(const char *host_build) {
    const void *image = nullptr;
    if (host_build) {
      std::ifstream file(host_build, std::ios::binary);
      host_image_.assign(std::istreambuf_iterator<char>(file), {});
      image = host_image_.data();
    }
#ifdef HAVE_CUDA_KERNELS
    if (!image) image = cudacam_kernels;
#endif
    if (!image) throw std::runtime_error("built without kernels (no nvcc): nothing to compare");
    CUmodule module = nullptr;
    CALL(cuModuleLoadData, &module, image);
    CALL(cuModuleGetFunction, &copy_frame_, module, "copy_frame");
    CALL(cuModuleGetFunction, &copy_frames_, module, "copy_frames");
  }

  std::string name_;
  int driver_version_ = 0;
  std::string host_image_;
  CUstream stream_ = nullptr;
  CUevent start_ = nullptr, end_ = nullptr;
  CUfunction copy_frame_ = nullptr, copy_frames_ = nullptr;
};

/// What a plane of these bytes looks like in its memory, with bytes around it that must stay.
struct Check {
  unsigned width, rows, source_offset, target_offset, source_pitch, target_pitch;
};

std::vector<unsigned char> noise(std::size_t size, unsigned seed) {
  std::minstd_rand random(seed + 1);
  std::vector<unsigned char> bytes(size);
  for (auto &byte : bytes) byte = static_cast<unsigned char>(random() >> 8);
  return bytes;
}

/// Copies planes of edge sizes with `copy(planes)`; throws when one byte is not as it should be.
template <class Copy>
void expect_exact(const Gpu &gpu, const char *what, unsigned planes_at_once, Copy &&copy) {
  constexpr std::size_t kBytes = 1 << 17;
  std::minstd_rand random(planes_at_once);
  const unsigned widths[] = {1, 3, 4, 15, 16, 17, 33, 511, 512, 513, 1919};
  const unsigned offsets[] = {0, 1, 4, 8, 16};
  for (int round = 0; round < 40; ++round) {
    std::vector<CUdeviceptr> memory;
    std::vector<std::vector<unsigned char>> expected;
    std::vector<PlaneCopy> planes;
    for (unsigned i = 0; i < planes_at_once; ++i) {
      const auto width = widths[random() % std::size(widths)];
      const auto rows = 1 + static_cast<unsigned>(random() % 40);
      const unsigned pitches[] = {width, width + 1, (width + 15) / 16 * 16,
                                  (width + 511) / 512 * 512};
      const auto from = 64 + offsets[random() % std::size(offsets)];
      const auto to = 64 + offsets[random() % std::size(offsets)];
      const auto from_pitch = pitches[random() % 4], to_pitch = pitches[random() % 4];
      const auto source = noise(kBytes, i);
      auto target = noise(kBytes, i + 1000);
      CUdeviceptr source_memory = 0, target_memory = 0;
      CALL(cuMemAlloc, &source_memory, kBytes);
      CALL(cuMemAlloc, &target_memory, kBytes);
      CALL(cuMemcpyHtoD, source_memory, source.data(), kBytes);
      CALL(cuMemcpyHtoD, target_memory, target.data(), kBytes);
      planes.push_back({reinterpret_cast<unsigned char *>(source_memory + from),
                        reinterpret_cast<unsigned char *>(target_memory + to), from_pitch, to_pitch,
                        width, rows});
      for (std::size_t row = 0; row < rows; ++row)
        std::copy_n(&source[from + row * from_pitch], width, &target[to + row * to_pitch]);
      memory.insert(memory.end(), {source_memory, target_memory});
      expected.push_back(std::move(target));
    }
    copy(planes);
    gpu.wait();
    for (unsigned i = 0; i < planes_at_once; ++i) {
      std::vector<unsigned char> now(kBytes);
      CALL(cuMemcpyDtoH, now.data(), memory[2 * i + 1], kBytes);
      if (now != expected[i])
        throw std::runtime_error(std::string(what) + " does not copy exactly");
    }
    for (const auto one : memory) CALL(cuMemFree, one);
  }
}

/// A copy from a second GPU as cudacampool makes it, with and without peer access; what became of
/// it.
std::string check_peer(const Gpu &gpu) {
  int devices = 0;
  CALL(cuDeviceGetCount, &devices);
  if (devices < 2) return "not tried: one GPU";
  constexpr unsigned kPitch = 2048, kRows = 1080;
  CUcontext here = nullptr, there = nullptr;
  CALL(cuCtxGetCurrent, &here);
  CALL(cuDevicePrimaryCtxRetain, &there, 1);
  CALL(cuCtxSetCurrent, there);
  const auto source = noise(kPitch * kRows, 5);
  CUdeviceptr from = 0, to = 0;
  CALL(cuMemAlloc, &from, source.size());
  CALL(cuMemcpyHtoD, from, source.data(), source.size());
  CALL(cuCtxSetCurrent, here);
  // As a slot is: memory that can be shared, mapped for its own GPU alone.
  constexpr std::size_t kGranules = 4 << 20;
  static_assert(kPitch * kRows <= kGranules);
  CUmemAllocationProp wanted{};
  wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  wanted.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  CUmemGenericAllocationHandle handle = 0;
  CALL(cuMemCreate, &handle, kGranules, &wanted, 0ull);
  CALL(cuMemAddressReserve, &to, kGranules, std::size_t{0}, CUdeviceptr{0}, 0ull);
  CALL(cuMemMap, to, kGranules, std::size_t{0}, handle, 0ull);
  CUmemAccessDesc access{};
  access.location = wanted.location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  CALL(cuMemSetAccess, to, kGranules, &access, std::size_t{1});
  std::string result;
  for (const bool direct : {false, true}) {
    if (direct) {
      auto *enable = find<decltype(::cuCtxEnablePeerAccess)>(NAME(cuCtxEnablePeerAccess));
      const auto code = enable(there, 0);
      if (code) return result + ", no peer access (" + std::to_string(code) + ")";
    }
    CALL(cuMemsetD8, to, static_cast<unsigned char>(0), source.size());
    CALL0(cuCtxSynchronize);
    CUDA_MEMCPY2D copy{};
    copy.srcMemoryType = CU_MEMORYTYPE_UNIFIED;
    copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    copy.srcDevice = from;
    copy.dstDevice = to;
    copy.srcPitch = copy.dstPitch = kPitch;
    copy.WidthInBytes = 1920;
    copy.Height = kRows;
    gpu.by_driver_call(copy);
    gpu.wait();
    std::vector<unsigned char> now(source.size());
    CALL(cuMemcpyDtoH, now.data(), to, now.size());
    bool exact = true;
    for (std::size_t row = 0; row < kRows; ++row)
      exact =
          exact && std::equal(&now[row * kPitch], &now[row * kPitch] + 1920, &source[row * kPitch]);
    if (!exact) throw std::runtime_error("a frame of the other GPU is not copied exactly");
    result += direct ? ", peer to peer exact" : "staged exact";
  }
  return result;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// One way of copying a number of frames.
struct Way {
  const char *name;
  unsigned frames;
  void (Gpu::*copy)(const std::vector<PlaneCopy> &) const;
  std::vector<double> gpu{};  // microseconds a frame
  std::vector<double> cpu{};
};

void measure_size(const Gpu &gpu, const char *label, Size size, unsigned repetitions, bool real,
                  bool last) {
  // About 1 GB of sources and targets: several times the largest cache.
  Ring ring(size, real ? std::max<std::size_t>(64, (std::size_t{1} << 30) / size.bytes() / 2) : 64);
  Way ways[] = {{"driver", 1, &Gpu::by_driver},
                {"kernels-1", 1, &Gpu::by_kernel},
                {"kernels-1-large-table", 1, &Gpu::by_large_table},
                {"kernels-4", 4, &Gpu::by_kernel},
                {"kernels-16", 16, &Gpu::by_kernel},
                {"kernels-64", 64, &Gpu::by_kernel}};
  const unsigned at_once = real ? 64 : 1;  // copies back to back between two events
  for (unsigned i = 0; i < repetitions + repetitions / 10 + 1; ++i) {
    const bool warm = i > repetitions / 10;
    for (auto &way : ways) {
      const auto rounds = std::max(1u, at_once / way.frames);
      std::chrono::duration<double, std::micro> enqueue{};
      const auto time = gpu.measure([&] {
        for (unsigned round = 0; round < rounds; ++round) {
          const auto &planes = ring.next(way.frames);
          const auto start = std::chrono::steady_clock::now();
          (gpu.*way.copy)(planes);
          enqueue += std::chrono::steady_clock::now() - start;
        }
      });
      if (!warm) continue;
      way.gpu.push_back(time / (rounds * way.frames));
      way.cpu.push_back(enqueue.count() / (rounds * way.frames));
    }
  }
  std::printf("  \"%s\": {\n", label);
  for (const auto &way : ways)
    std::printf("    \"%s\": {\"gpu\": %.2f, \"enqueue\": %.2f},\n", way.name, median(way.gpu),
                median(way.cpu));
  std::printf("    \"ratio\": %.3f,\n    \"ratio-16\": %.3f\n  }%s\n",
              median(ways[1].gpu) / median(ways[0].gpu), median(ways[4].gpu) / median(ways[0].gpu),
              last ? "" : ",");
}

}  // namespace

int main(int argc, char **argv) {
  try {
    const bool real = dlsym(library(), "nvsim_calls") == nullptr;
    const auto repetitions = static_cast<unsigned>(argc > 1 ? std::atoi(argv[1]) : real ? 200 : 2);
    const Gpu gpu(argc > 2 ? argv[2] : nullptr);
    std::printf("{\n  \"gpu\": \"%s\",\n  \"cuda\": %d,\n", gpu.name().c_str(),
                gpu.driver_version());
    if (!real) std::printf("  \"note\": \"simulated, not a measurement\",\n");
    std::printf("  \"unit\": \"us a frame\",\n  \"repetitions\": %u,\n", repetitions);
    expect_exact(gpu, "copy_frame", 3, [&](const auto &planes) { gpu.by_kernel(planes); });
    expect_exact(gpu, "copy_frames", 41, [&](const auto &planes) { gpu.by_kernel(planes); });
    std::printf("  \"copies\": \"exact\",\n  \"other-gpu\": \"%s\",\n", check_peer(gpu).c_str());
    const unsigned shrink = real ? 1 : 30;
    measure_size(gpu, "1080p", {1920 / shrink, 1080 / shrink}, repetitions, real, false);
    measure_size(gpu, "4K", {3840 / shrink, 2160 / shrink}, repetitions, real, true);
    std::printf("}\n");
  } catch (const std::exception &error) {
    std::fprintf(stderr, "copy: %s\n", error.what());
    return std::string(error.what()).find("no NVIDIA driver") == 0 ? 77 : 1;
  }
}
