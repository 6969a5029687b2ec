// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_DECLARE_FINAL_TYPE(GstCudaCamSrc, gst_cuda_cam_src, GST, CUDA_CAM_SRC, GstBin)
GST_ELEMENT_REGISTER_DECLARE(cudacamsrc);
