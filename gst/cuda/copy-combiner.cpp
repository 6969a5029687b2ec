// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/copy-combiner.hpp"

#include <algorithm>
#include <array>

#include "cuda/per-context.hpp"

#define GST_CAT_DEFAULT cudacam::cuda_category()

namespace cudacam {

// So that a batch is one launch, which is queued as a whole or not at all.
static_assert(LaunchTurns::kMostPlanes <= kLargeTable);

std::shared_ptr<CopyCombiner> CopyCombiner::of(GstCudaContext *context) {
  static PerContext<CopyCombiner> combiners;
  return combiners.of(context, [&] { return std::make_shared<CopyCombiner>(context); });
}

CopyCombiner::CopyCombiner(GstCudaContext *context)
    : planes_(PlaneCopier::of(context)), stream_(context) {
}

void CopyCombiner::together(Job *const *jobs, std::size_t count) {
  std::array<PlaneCopy, LaunchTurns::kMostPlanes> planes;
  auto end = planes.begin();
  for (std::size_t i = 0; i < count; ++i) {
    const auto &job = static_cast<const CopyJob &>(*jobs[i]);
    end = std::copy_n(job.first_plane, job.planes(), end);
  }
  try {
    planes_->enqueue(planes.data(), static_cast<std::size_t>(end - planes.begin()),
                     stream_.handle());
  } catch (const CudaError &error) {
    GST_WARNING_OBJECT(stream_.context(),
                       "the frames of %" G_GSIZE_FORMAT
                       " cameras could not be copied together, each is tried alone: %s",
                       count, error.what());
    throw;
  }
}

}  // namespace cudacam
