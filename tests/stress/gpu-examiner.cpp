// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gpu-examiner.hpp"

#include <utility>

#include "cuda-api.hpp"
#include "cuda/compat.hpp"
#include "cuda/context.hpp"

namespace cudacam::soak {

using test::cuda;

namespace {

constexpr unsigned kThreads = 128;
constexpr unsigned kRowsPerThread = 64;  // as in examine.cu

struct Result {
  std::uint64_t sum;
  test::BlockAverages averages;
};

GstCudaMemory *memory_of(GstBuffer *frame) {
  return GST_CUDA_MEMORY_CAST(gst_buffer_peek_memory(frame, 0));
}

void call(gboolean (*function)(GstCudaCamLease *, gpointer, GError **), GstCudaCamLease *lease,
          CUstream stream) {
  GError *raw_error = nullptr;
  if (function(lease, stream, &raw_error)) return;
  throw test::CudaFailure(ErrorPtr(raw_error)->message);
}

unsigned blocks_for(unsigned count, unsigned each) {
  return (count + each - 1) / each;
}

}  // namespace

struct GpuExaminer::State {
  State(GstBuffer *frame, const std::string &kernels) : context(share(memory_of(frame)->context)) {
    const ContextScope scope(context.get());
    cuda().cuModuleLoad(&module, kernels.c_str());
    cuda().cuModuleGetFunction(&add_plane, module, "add_plane");
    cuda().cuModuleGetFunction(&average_blocks, module, "average_blocks");
    cuda().cuMemAlloc(&result, sizeof(Result));
    // As a model's runtime has it: in no order with the NULL stream.
    cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
  }
  ~State() {
    if (!gst_cuda_context_push(context.get())) return;
    if (stream) cuda().cuStreamDestroy.quiet(stream);
    if (result) cuda().cuMemFree.quiet(result);
    if (module) cuda().cuModuleUnload.quiet(module);
    gst_cuda_context_pop(nullptr);
  }

  template <class... Args>
  void launch(CUfunction kernel, unsigned x, unsigned y, unsigned threads, Args... args) {
    void *parameters[] = {&args...};
    cuda().cuLaunchKernel(kernel, x, y, 1u, threads, 1u, 1u, 0u, stream, parameters,
                          static_cast<void **>(nullptr));
  }

  CudaContextPtr context;
  CUmodule module = nullptr;
  CUfunction add_plane = nullptr;
  CUfunction average_blocks = nullptr;
  CUdeviceptr result = 0;
  CUstream stream = nullptr;
};

GpuExaminer::GpuExaminer(GstBuffer *frame, const std::string &kernels)
    : state_(std::make_unique<State>(frame, kernels)) {
}

GpuExaminer::~GpuExaminer() = default;

Look GpuExaminer::look(GstCudaCamLease *lease, const std::vector<GstCudaCamPlane> &planes,
                       bool release) {
  State &state = *state_;
  const ContextScope scope(state.context.get());
  call(gst_cuda_cam_lease_wait_on_stream, lease, state.stream);
  cuda().cuMemsetD8Async(state.result, static_cast<unsigned char>(0), sizeof(Result), state.stream);
  for (unsigned p = 0; p < planes.size(); ++p) {
    const auto row_bytes = static_cast<unsigned>(planes[p].row_bytes);
    state.launch(state.add_plane, blocks_for(blocks_for(row_bytes, 4), kThreads),
                 blocks_for(planes[p].rows, kRowsPerThread), kThreads,
                 CUdeviceptr{planes[p].address}, static_cast<unsigned long>(planes[p].pitch),
                 row_bytes, unsigned{planes[p].rows}, p, state.result);
  }
  const auto grid =
      test::mark_grid(static_cast<int>(planes[0].row_bytes), static_cast<int>(planes[0].rows));
  if (grid)
    state.launch(state.average_blocks, 1, 1, 2 * test::kMarkBlocks, CUdeviceptr{planes[0].address},
                 static_cast<unsigned long>(planes[0].pitch),
                 static_cast<unsigned>(grid->block_width),
                 static_cast<unsigned>(grid->block_height), static_cast<unsigned>(grid->top_y),
                 static_cast<unsigned>(grid->bottom_y),
                 CUdeviceptr{state.result + offsetof(Result, averages)});
  if (release) call(gst_cuda_cam_lease_release_after, lease, state.stream);
  Result result{};
  cuda().cuMemcpyDtoHAsync(&result, state.result, sizeof result, state.stream);
  cuda().cuStreamSynchronize(state.stream);
  Look look;
  look.sum = result.sum;
  if (grid) look.reading = test::read_block_averages(result.averages);
  return look;
}

void GpuExaminer::spoil(const GstCudaCamPlane &plane) {
  State &state = *state_;
  const ContextScope scope(state.context.get());
  unsigned char byte = 0;
  cuda().cuMemcpyDtoHAsync(&byte, CUdeviceptr{plane.address}, sizeof byte, state.stream);
  cuda().cuStreamSynchronize(state.stream);
  cuda().cuMemsetD8Async(CUdeviceptr{plane.address}, static_cast<unsigned char>(byte ^ 1),
                         std::size_t{1}, state.stream);
  cuda().cuStreamSynchronize(state.stream);
}

}  // namespace cudacam::soak
