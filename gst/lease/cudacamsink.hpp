// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstbasesink.h>

G_DECLARE_FINAL_TYPE(GstCudaCamSink, gst_cuda_cam_sink, GST, CUDA_CAM_SINK, GstBaseSink)
GST_ELEMENT_REGISTER_DECLARE(cudacamsink)
