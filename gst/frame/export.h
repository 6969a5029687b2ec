/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Marks what libgstcudacam exports; everything else is hidden. */
#ifndef GST_CUDA_CAM_API
#define GST_CUDA_CAM_API __attribute__((visibility("default"))) extern
#endif
