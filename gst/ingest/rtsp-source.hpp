// SPDX-License-Identifier: LGPL-2.1-or-later
/// rtspsrc without secrets on show.
#pragma once

#include <gst/gst.h>

namespace cudacam {

/// A new rtspsrc, floating, whose `user-pw` cannot be read and whose `location` reads back
/// redacted: graphs of a pipeline (GST_DEBUG_BIN_TO_DOT_FILE) and other debugging aids show every
/// property that can be read. Null when rtspsrc is not installed.
GstElement *make_rtsp_source();

}  // namespace cudacam
