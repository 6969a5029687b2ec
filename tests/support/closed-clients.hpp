// SPDX-License-Identifier: LGPL-2.1-or-later
/// Keeps a server's clients a little longer than they are connected.
///
/// gst-rtsp-server (1.22 to 1.26 at least) answers a failed send with an idle source that closes
/// the client but holds no reference to it. A camera process that was stopped and continued runs
/// into that: frames fail while the client goes away, and the source finds a dead pointer.
#pragma once

#include <gst/rtsp-server/rtsp-server.h>

#include <memory>

namespace cudacam::test {

/// Made and destroyed on the thread that runs `context`, which also runs the server's clients.
class ClosedClients {
 public:
  ClosedClients(GstRTSPServer *server, GMainContext *context);
  /// Runs what waits, then lets all clients go. The server's clients are closed before.
  ~ClosedClients();
  ClosedClients(const ClosedClients &) = delete;
  ClosedClients &operator=(const ClosedClients &) = delete;

 private:
  struct Kept;

  GMainContext *const context_;
  std::shared_ptr<Kept> kept_;
  GSource *timer_;
};

}  // namespace cudacam::test
