// SPDX-License-Identifier: LGPL-2.1-or-later
///
/// The accepted connections of a GstRTSPServer whose clients run on the calling thread's context.
#pragma once

#include <gst/rtsp-server/rtsp-server.h>

namespace cudacam::test {

enum class CloseMode { kFin, kReset };

/// Ends every connection, its sessions and the streams that nobody else watches.
void close_clients(GstRTSPServer *server, CloseMode mode);

unsigned count_clients(GstRTSPServer *server);

}  // namespace cudacam::test
