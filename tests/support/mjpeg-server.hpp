// SPDX-License-Identifier: LGPL-2.1-or-later
/// An HTTP camera inside the process: motion JPEG as multipart/x-mixed-replace, on a port that the
/// kernel chooses.
#pragma once

#include <gio/gio.h>
#include <gst/gst.h>

#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "base/ptr.hpp"

namespace cudacam::test {

/// All methods may be called from any thread.
class MjpegServer {
 public:
  MjpegServer();
  ~MjpegServer();
  MjpegServer(const MjpegServer &) = delete;
  MjpegServer &operator=(const MjpegServer &) = delete;

  std::string url() const;
  /// Ends every response in the middle; new requests are answered.
  void close_connections();
  /// Answers new requests with 503 from now on, or with pictures again.
  void refuse(bool refused);
  /// Requests since the beginning.
  unsigned requests() const;

 private:
  void accept_clients();
  void serve(GSocket *client);

  mutable std::mutex mutex_;  // guards the next four; a leaf
  std::list<ObjectPtr<GSocket>> open_;
  std::list<std::thread> clients_;
  bool refused_ = false;
  unsigned requests_ = 0;
  const std::string picture_;
  const ObjectPtr<GSocket> listener_;
  const ObjectPtr<GCancellable> stopped_;
  guint16 port_ = 0;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace cudacam::test
