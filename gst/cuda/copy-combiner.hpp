// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>

#include "cuda/context.hpp"
#include "cuda/launch-combiner.hpp"
#include "cuda/plane-copier.hpp"
#include "cuda/stream.hpp"

namespace cudacam {

/// A frame's copy by the kernel. run() returns whether it is on the combiner's stream, because it
/// shared its launch with other cameras' copies.
class CopyJob : public LaunchCombiner::Job {
 public:
  CopyJob(const PlaneCopy *planes, unsigned count) : Job(count), first_plane(planes) {}

  const PlaneCopy *const first_plane;
};

/// Copies of all cameras of a context that are wanted at once go to one stream in one launch. Only
/// copies that wait for nothing on the GPU do, so the stream never stands still for somebody's slow
/// reader.
class CopyCombiner : public LaunchCombiner {
 public:
  /// The combiner of `context`: made for whoever asks first, gone with its last user. Throws
  /// CudaError.
  static std::shared_ptr<CopyCombiner> of(GstCudaContext *context);
  explicit CopyCombiner(GstCudaContext *context);

  const PlaneCopier &planes() const { return *planes_; }
  /// In order with the NULL stream, where stock elements of GStreamer 1.22 download frames.
  CUstream stream() const { return stream_.handle(); }

 protected:
  void together(Job *const *jobs, std::size_t count) override;

 private:
  const std::shared_ptr<PlaneCopier> planes_;
  const Stream stream_;
};

}  // namespace cudacam
