// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstbasetransform.h>

G_DECLARE_FINAL_TYPE(GstCudaCamPool, gst_cuda_cam_pool, GST, CUDA_CAM_POOL, GstBaseTransform)
GST_ELEMENT_REGISTER_DECLARE(cudacampool)
