// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/video.h>

#include "cuda/stream.hpp"

namespace cudacam {

/// Queues the copy of a frame in CUDA memory into another of the same format and size on `stream`,
/// after the work that still writes the source. The source must be kept, and the target not be
/// read, until the copy has ended. Throws CudaError; then nothing of it is queued any more.
void copy_frame(const GstVideoInfo &info, GstBuffer *source, GstBuffer *target, StreamView stream);

}  // namespace cudacam
