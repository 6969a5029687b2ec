// SPDX-License-Identifier: LGPL-2.1-or-later
#include "hostile-server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace cudacam::test {
namespace {

std::string sequence_of(const std::string &request) {
  const auto at = request.find("CSeq:");
  return at == std::string::npos ? "CSeq: 0\r\n"
                                 : request.substr(at, request.find("\r\n", at) - at) + "\r\n";
}

bool begins_with(const std::string &text, const char *what) {
  return text.rfind(what, 0) == 0;
}

}  // namespace

std::optional<std::string> HostilePeer::request() {
  std::size_t end;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    char chunk[4096];
    const auto count = recv(socket_, chunk, sizeof chunk, 0);
    if (count <= 0) return std::nullopt;
    received_.append(chunk, static_cast<std::size_t>(count));
  }
  auto text = received_.substr(0, end + 4);
  received_.erase(0, end + 4);
  return text;
}

bool HostilePeer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool HostilePeer::answer(const std::string &request, const std::string &status,
                         const std::string &headers, const std::string &body) {
  std::string text = "RTSP/1.0 " + status + "\r\n" + sequence_of(request) + headers;
  if (!body.empty() && headers.find("Content-Length:") == std::string::npos)
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return send(text + "\r\n" + body);
}

HostileServer::HostileServer(std::function<void(HostilePeer &)> behave)
    : behave_(std::move(behave)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto *generic = reinterpret_cast<sockaddr *>(&address);
  if (listener_ < 0 || bind(listener_, generic, size) != 0 || listen(listener_, 16) != 0 ||
      getsockname(listener_, generic, &size) != 0)
    throw std::runtime_error("the hostile server cannot listen");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

HostileServer::~HostileServer() {
  quit_ = true;
  shutdown(listener_, SHUT_RDWR);
  const int client = client_.exchange(-1);
  if (client >= 0) shutdown(client, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

std::string HostileServer::url() const {
  return "rtsp://127.0.0.1:" + std::to_string(port_) + "/cam";
}

void HostileServer::run() {
  while (!quit_) {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    client_ = client;
    if (quit_) shutdown(client, SHUT_RDWR);
    HostilePeer peer(client);
    behave_(peer);
    client_ = -1;
    close(client);
    finished_++;
  }
}

bool play_along(HostilePeer &peer, const std::string &url) {
  const std::string description =
      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
      "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:stream=0\r\n";
  while (const auto request = peer.request()) {
    bool sent;
    if (begins_with(*request, "OPTIONS")) {
      sent = peer.answer(*request, "200 OK",
                         "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n");
    } else if (begins_with(*request, "DESCRIBE")) {
      sent = peer.answer(*request, "200 OK",
                         "Content-Type: application/sdp\r\nContent-Base: " + url + "/\r\n",
                         description);
    } else if (begins_with(*request, "SETUP")) {
      sent = peer.answer(*request, "200 OK",
                         "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
    } else if (begins_with(*request, "PLAY")) {
      return peer.answer(*request, "200 OK", "Session: 1\r\n");
    } else {
      sent = peer.answer(*request, "200 OK", "Session: 1\r\n");
    }
    if (!sent) return false;
  }
  return false;
}

}  // namespace cudacam::test
