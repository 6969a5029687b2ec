// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

namespace cudacam::test {

/// Gives a pipeline the CUDA context that all of this process share, as an application does whose
/// own kernels read the frames. Does nothing where there is no GPU. Before the pipeline starts.
void share_context(GstElement *pipeline);

}  // namespace cudacam::test
