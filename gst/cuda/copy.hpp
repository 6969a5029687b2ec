// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/video.h>

#include "cuda/stream.hpp"

namespace cudacam {

/// Copies a frame in CUDA memory into another of the same format and size, and waits for the copy:
/// the source may be reused at once, and stock consumers may read the target without a wait of
/// their own. Throws CudaError.
void copy_frame(const GstVideoInfo &info, GstBuffer *source, GstBuffer *target,
                const Stream &stream);

}  // namespace cudacam
