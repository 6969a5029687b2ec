/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All of libgstcudacam. */
#include "frame/camera-event.h"
#include "frame/fence.h"
#include "frame/frame-meta.h"
#include "frame/outstanding-query.h"
#include "lease/holder.h"
#include "lease/lease.h"
#include "lease/lender.h"
