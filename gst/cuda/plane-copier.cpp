// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/plane-copier.hpp"

#include <algorithm>

#include "cuda/per-context.hpp"

#define GST_CAT_DEFAULT cudacam::cuda_category()

namespace cudacam {
namespace {

template <unsigned Capacity>
void launch(CUfunction kernel, const PlaneCopy *planes, std::size_t count, CUstream stream) {
  PlaneTable<Capacity> table{};
  const auto blocks = fill(table, planes, count);
  if (blocks == 0) return;
  void *parameters[] = {&table};
  driver().cuLaunchKernel(kernel, blocks, 1, 1, kTileColumns, kBlockRows, 1, 0, stream, parameters,
                          nullptr);
}

}  // namespace

void copy_by_driver(const PlaneCopy &plane, CUstream stream, CUmemorytype source) {
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = source;
  copy.srcHost = plane.source;
  copy.srcDevice = reinterpret_cast<CUdeviceptr>(plane.source);
  copy.srcPitch = plane.source_pitch;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = reinterpret_cast<CUdeviceptr>(plane.target);
  copy.dstPitch = plane.target_pitch;
  copy.WidthInBytes = plane.width;
  copy.Height = plane.rows;
  driver().cuMemcpy2DAsync(&copy, stream);
}

std::shared_ptr<PlaneCopier> PlaneCopier::of(GstCudaContext *context, const void *image) {
  static PerContext<PlaneCopier> copiers;
  return copiers.of(context, [&] { return std::make_shared<PlaneCopier>(context, image); });
}

PlaneCopier::PlaneCopier(GstCudaContext *context, const void *image) : context_(share(context)) {
  if (!image) {
    GST_INFO_OBJECT(context, "built without kernels: the driver copies frames, plane by plane");
    return;
  }
  try {
    load(image);
  } catch (const CudaError &error) {
    GST_INFO_OBJECT(context,
                    "the driver copies frames, plane by plane, since it has no kernels: %s",
                    error.what());
  }
}

void PlaneCopier::load(const void *image) {
  const ContextScope scope(context_.get());
  CUmodule module = nullptr;
  driver().cuModuleLoadData(&module, image);
  try {
    driver().cuModuleGetFunction(&copy_frame_, module, "copy_frame");
    driver().cuModuleGetFunction(&copy_frames_, module, "copy_frames");
  } catch (const CudaError &) {
    driver().cuModuleUnload.quiet(module);
    throw;
  }
  module_ = module;
}

PlaneCopier::~PlaneCopier() {
  if (!module_) return;
  try {
    const ContextScope scope(context_.get());
    driver().cuModuleUnload.quiet(module_);
  } catch (const CudaError &) {
    // Logged where it happened; a module that cannot be unloaded ends with its context.
  }
}

void PlaneCopier::enqueue(const PlaneCopy *planes, std::size_t count, CUstream stream) const {
  const ContextScope scope(context_.get());
  while (count > 0) {
    const auto some = module_ ? std::min<std::size_t>(count, kLargeTable) : 1;
    if (!module_)
      copy_by_driver(*planes, stream);
    else if (some <= kSmallTable)
      launch<kSmallTable>(copy_frame_, planes, some, stream);
    else
      launch<kLargeTable>(copy_frames_, planes, some, stream);
    planes += some;
    count -= some;
  }
}

}  // namespace cudacam
