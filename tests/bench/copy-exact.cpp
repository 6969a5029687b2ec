// SPDX-License-Identifier: LGPL-2.1-or-later
#include "copy-exact.hpp"

#include <algorithm>
#include <random>

#include "copy-gpu.hpp"

namespace cudacam::bench {
namespace {

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
      CALL(cuMemAlloc)(&source_memory, kBytes);
      CALL(cuMemAlloc)(&target_memory, kBytes);
      CALL(cuMemcpyHtoD)(source_memory, source.data(), kBytes);
      CALL(cuMemcpyHtoD)(target_memory, target.data(), kBytes);
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
      CALL(cuMemcpyDtoH)(now.data(), memory[2 * i + 1], kBytes);
      if (now != expected[i])
        throw std::runtime_error(std::string(what) + " does not copy exactly");
    }
    for (const auto one : memory) CALL(cuMemFree)(one);
  }
}

}  // namespace

void expect_kernels_exact(const Gpu &gpu) {
  const auto copy = [&](const auto &planes) { gpu.by_kernel(planes); };
  expect_exact(gpu, "copy_frame", 3, copy);
  expect_exact(gpu, "copy_frames", 41, copy);
}

std::string check_peer(const Gpu &gpu) {
  int devices = 0;
  CALL(cuDeviceGetCount)(&devices);
  if (devices < 2) return "not tried: one GPU";
  constexpr unsigned kPitch = 2048, kRows = 1080;
  CUcontext here = nullptr, there = nullptr;
  CALL(cuCtxGetCurrent)(&here);
  CALL(cuDevicePrimaryCtxRetain)(&there, 1);
  CALL(cuCtxSetCurrent)(there);
  const auto source = noise(kPitch * kRows, 5);
  CUdeviceptr from = 0, to = 0;
  CALL(cuMemAlloc)(&from, source.size());
  CALL(cuMemcpyHtoD)(from, source.data(), source.size());
  CALL(cuCtxSetCurrent)(here);
  // As a slot is: memory that can be shared, mapped for its own GPU alone.
  constexpr std::size_t kGranules = 4 << 20;
  static_assert(kPitch * kRows <= kGranules);
  CUmemAllocationProp wanted{};
  wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  wanted.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  CUmemGenericAllocationHandle handle = 0;
  CALL(cuMemCreate)(&handle, kGranules, &wanted, 0ull);
  CALL(cuMemAddressReserve)(&to, kGranules, std::size_t{0}, CUdeviceptr{0}, 0ull);
  CALL(cuMemMap)(to, kGranules, std::size_t{0}, handle, 0ull);
  CUmemAccessDesc access{};
  access.location = wanted.location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  CALL(cuMemSetAccess)(to, kGranules, &access, std::size_t{1});
  std::string result;
  for (const bool direct : {false, true}) {
    if (direct) {
      const FUNCTION(cuCtxEnablePeerAccess, enable);
      const auto code = enable.quiet(there, 0u);
      if (code) return result + ", no peer access (" + std::to_string(code) + ")";
    }
    CALL(cuMemsetD8)(to, static_cast<unsigned char>(0), source.size());
    CALL(cuCtxSynchronize)();
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
    CALL(cuMemcpyDtoH)(now.data(), to, now.size());
    bool exact = true;
    for (std::size_t row = 0; row < kRows; ++row)
      exact =
          exact && std::equal(&now[row * kPitch], &now[row * kPitch] + 1920, &source[row * kPitch]);
    if (!exact) throw std::runtime_error("a frame of the other GPU is not copied exactly");
    result += direct ? ", peer to peer exact" : "staged exact";
  }
  return result;
}

}  // namespace cudacam::bench
