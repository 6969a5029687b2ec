// SPDX-License-Identifier: LGPL-2.1-or-later
//
// handoff [ROUNDS]: what an operation costs with 64 streams, in microseconds of the whole process,
// as JSON on stdout. Operations are submitted to one stream after the other with an event between
// neighbours, as a pipeline of cameras would. A figure, no test: it means something on a machine
// with nothing else to do.
#include <cuda.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "nvsim/nvsim.h"

extern "C" CUresult cuCtxCreate_v2(CUcontext *, unsigned, CUdevice);  // not in every cuda.h

namespace {

constexpr std::size_t kStreams = 64;
constexpr int kRounds = 500;

void need(CUresult result, const char *call) {
  if (result != CUDA_SUCCESS)
    throw std::runtime_error(std::string(call) + " failed: " + std::to_string(result));
}
#define NEED(CALL) need(CALL, #CALL)

struct Camera {
  CUstream stream = nullptr;
  CUevent done = nullptr;
  CUdeviceptr frame = 0;
};

void run(int rounds) {
  NEED(cuInit(0));
  CUcontext context = nullptr;
  NEED(cuCtxCreate_v2(&context, 0, 0));
  std::vector<Camera> cameras(kStreams);
  for (Camera &camera : cameras) {
    NEED(cuStreamCreate(&camera.stream, CU_STREAM_NON_BLOCKING));
    NEED(cuEventCreate(&camera.done, CU_EVENT_DISABLE_TIMING));
    NEED(cuMemAlloc(&camera.frame, 4096));
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < kStreams; ++i) {
      const Camera &camera = cameras[i];
      NEED(cuMemsetD8Async(camera.frame, 1, 64, camera.stream));
      NEED(cuEventRecord(camera.done, camera.stream));
      NEED(cuStreamWaitEvent(cameras[(i + 1) % kStreams].stream, camera.done, 0));
    }
  }
  NEED(cuCtxSynchronize());
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
  const auto operations = nvsim_counter("operation.completed");
  std::printf("{\"streams\": %zu, \"operations\": %lld, \"us_per_operation\": %.2f}\n", kStreams,
              static_cast<long long>(operations), took.count() / static_cast<double>(operations));
}

}  // namespace

int main(int argc, char **argv) try {
  run(argc > 1 ? std::atoi(argv[1]) : kRounds);
  return 0;
} catch (const std::exception &error) {
  std::fprintf(stderr, "handoff: %s\n", error.what());
  return 1;
}
