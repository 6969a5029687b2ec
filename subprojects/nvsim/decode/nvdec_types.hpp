// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The types of the decoder API, on top of the types of the CUDA Toolkit's cuda.h.
#pragma once

#include <cuda.h>
// Not before cuda.h: else these headers bring CUDA types of their own.
#include <ffnvcodec/dynlink_cuviddec.h>
#include <ffnvcodec/dynlink_nvcuvid.h>
