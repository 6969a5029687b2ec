// SPDX-License-Identifier: LGPL-2.1-or-later
///
/// A server that speaks as much RTSP as it takes to do harm.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace cudacam::test {

/// One client's connection. All calls block until they are done, the client closes, or the server
/// ends.
class HostilePeer {
 public:
  explicit HostilePeer(int socket) : socket_(socket) {}

  /// The next request, up to its empty line; none: the client is gone.
  std::optional<std::string> request();
  /// False: the client is gone.
  bool send(std::string_view bytes);
  /// "RTSP/1.0 STATUS", the CSeq of `request`, `headers` (each with its line end) and `body`; its
  /// Content-Length only when `headers` do not name one.
  bool answer(const std::string &request, const std::string &status,
              const std::string &headers = {}, const std::string &body = {});

 private:
  const int socket_;
  std::string received_;
};

/// Listens on a port of 127.0.0.1 that the kernel chooses, and lets `behave` deal with each
/// connection, one after another, on a thread of its own; then closes it.
class HostileServer {
 public:
  explicit HostileServer(std::function<void(HostilePeer &)> behave);
  ~HostileServer();
  HostileServer(const HostileServer &) = delete;
  HostileServer &operator=(const HostileServer &) = delete;

  std::string url() const;
  unsigned finished() const { return finished_; }  ///< connections dealt with

 private:
  void run();

  const std::function<void(HostilePeer &)> behave_;
  int listener_;
  int port_ = 0;
  std::atomic<int> client_{-1};
  std::atomic<bool> quit_{false};
  std::atomic<unsigned> finished_{0};
  std::thread thread_;
};

/// Answers OPTIONS, DESCRIBE (with an H.264 stream), SETUP (over TCP) and PLAY as a camera does.
/// False: the client is gone.
bool play_along(HostilePeer &peer, const std::string &url);

}  // namespace cudacam::test
