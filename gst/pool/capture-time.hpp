// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

namespace cudacam {

/// When the picture was taken, in nanoseconds since the Unix epoch, from the buffer's
/// GstReferenceTimestampMeta (NTP or Unix time); GST_CLOCK_TIME_NONE without one.
GstClockTime capture_time(GstBuffer *frame);

}  // namespace cudacam
