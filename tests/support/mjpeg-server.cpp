// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mjpeg-server.hpp"

#include <gst/app/gstappsink.h>

#include <stdexcept>

namespace cudacam::test {
namespace {

constexpr gulong kInterval = 20000;  // microseconds from picture to picture

std::string encoded_picture() {
  const auto pipeline = adopt(gst_parse_launch(
      "videotestsrc num-buffers=1 ! video/x-raw,width=64,height=48 ! jpegenc ! appsink name=out",
      nullptr));
  const auto out = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "out"));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  auto *sample = gst_app_sink_pull_sample(GST_APP_SINK(out.get()));
  if (!sample) throw std::runtime_error("no picture from jpegenc");
  GstMapInfo map;
  auto *buffer = gst_sample_get_buffer(sample);
  gst_buffer_map(buffer, &map, GST_MAP_READ);
  std::string picture(reinterpret_cast<const char *>(map.data), map.size);
  gst_buffer_unmap(buffer, &map);
  gst_sample_unref(sample);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  return picture;
}

ObjectPtr<GSocket> listening_socket() {
  auto socket = adopt(
      g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, nullptr));
  const auto local = adopt(g_inet_socket_address_new_from_string("127.0.0.1", 0));
  if (!socket || !g_socket_bind(socket.get(), local.get(), TRUE, nullptr) ||
      !g_socket_listen(socket.get(), nullptr))
    throw std::runtime_error("cannot listen on 127.0.0.1");
  return socket;
}

bool send(GSocket *client, const std::string &text) {
  for (std::size_t sent = 0; sent < text.size();) {
    const auto more =
        g_socket_send(client, text.data() + sent, text.size() - sent, nullptr, nullptr);
    if (more <= 0) return false;
    sent += static_cast<std::size_t>(more);
  }
  return true;
}

}  // namespace

MjpegServer::MjpegServer()
    : picture_(encoded_picture()),
      listener_(listening_socket()),
      stopped_(adopt(g_cancellable_new())) {
  const auto address = adopt(g_socket_get_local_address(listener_.get(), nullptr));
  port_ = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address.get()));
  thread_ = std::thread([this] { accept_clients(); });
}

MjpegServer::~MjpegServer() {
  g_cancellable_cancel(stopped_.get());
  thread_.join();
  close_connections();
  for (auto &client : clients_) client.join();
}

void MjpegServer::accept_clients() {
  while (auto client = adopt(g_socket_accept(listener_.get(), stopped_.get(), nullptr))) {
    std::lock_guard lock(mutex_);
    clients_.emplace_back([this, socket = client.get()] { serve(socket); });
    open_.push_back(std::move(client));
  }
}

std::string MjpegServer::url() const {
  return "http://127.0.0.1:" + std::to_string(port_) + "/stream.mjpg";
}

void MjpegServer::close_connections() {
  std::lock_guard lock(mutex_);
  for (const auto &client : open_) g_socket_shutdown(client.get(), TRUE, TRUE, nullptr);
}

void MjpegServer::refuse(bool refused) {
  std::lock_guard lock(mutex_);
  refused_ = refused;
}

unsigned MjpegServer::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

void MjpegServer::serve(GSocket *client) {
  bool refused = false;
  {
    std::lock_guard lock(mutex_);
    ++requests_;
    refused = refused_;
  }
  char request[4096];  // on which the answer does not depend
  if (g_socket_receive(client, request, sizeof request, nullptr, nullptr) > 0) {
    if (refused) {
      send(client, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    } else if (send(client,
                    "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                    "Content-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n")) {
      const auto part = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: " +
                        std::to_string(picture_.size()) + "\r\n\r\n" + picture_ + "\r\n";
      while (send(client, part)) g_usleep(kInterval);  // the camera's frame rate
    }
  }
  std::lock_guard lock(mutex_);
  open_.remove_if([=](const auto &one) { return one.get() == client; });
}

}  // namespace cudacam::test
