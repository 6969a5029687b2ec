// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mjpeg-server.hpp"

#include <gst/app/gstappsink.h>

#include <stdexcept>

namespace cudacam::test {
namespace {

constexpr int kMostClients = 16;
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

bool send(GSocketConnection *connection, const std::string &text) {
  auto *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
  return g_output_stream_write_all(out, text.data(), text.size(), nullptr, nullptr, nullptr);
}

}  // namespace

MjpegServer::MjpegServer()
    : service_(adopt(g_threaded_socket_service_new(kMostClients))),
      picture_(encoded_picture()),
      context_(g_main_context_new()),
      loop_(g_main_loop_new(context_, FALSE)) {
  g_main_context_push_thread_default(context_);
  const auto local = adopt(g_inet_socket_address_new_from_string("127.0.0.1", 0));
  GSocketAddress *bound = nullptr;
  if (!g_socket_listener_add_address(G_SOCKET_LISTENER(service_.get()), local.get(),
                                     G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, nullptr, &bound,
                                     nullptr))
    throw std::runtime_error("cannot listen on 127.0.0.1");
  port_ = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
  g_object_unref(bound);
  g_signal_connect(service_.get(), "run",
                   G_CALLBACK(+[](GThreadedSocketService *, GSocketConnection *connection,
                                  GObject *, MjpegServer *self) -> gboolean {
                     self->serve(connection);
                     return TRUE;
                   }),
                   this);
  g_socket_service_start(service_.get());
  g_main_context_pop_thread_default(context_);
  thread_ = g_thread_new(
      "mjpeg-server",
      [](gpointer loop) -> gpointer {
        g_main_context_push_thread_default(g_main_loop_get_context(static_cast<GMainLoop *>(loop)));
        g_main_loop_run(static_cast<GMainLoop *>(loop));
        return nullptr;
      },
      loop_);
}

MjpegServer::~MjpegServer() {
  g_socket_service_stop(service_.get());
  g_socket_listener_close(G_SOCKET_LISTENER(service_.get()));
  {
    std::lock_guard lock(mutex_);
    done_ = true;
  }
  close_connections();
  {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return open_.empty(); });
  }
  g_main_loop_quit(loop_);
  g_thread_join(thread_);
  service_.reset();
  g_main_loop_unref(loop_);
  g_main_context_unref(context_);
}

std::string MjpegServer::url() const {
  return "http://127.0.0.1:" + std::to_string(port_) + "/stream.mjpg";
}

void MjpegServer::close_connections() {
  std::lock_guard lock(mutex_);
  for (auto *connection : open_)
    g_socket_shutdown(g_socket_connection_get_socket(connection), TRUE, TRUE, nullptr);
}

void MjpegServer::refuse(bool refused) {
  std::lock_guard lock(mutex_);
  refused_ = refused;
}

unsigned MjpegServer::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

void MjpegServer::serve(GSocketConnection *connection) {
  bool refused = false;
  {
    std::lock_guard lock(mutex_);
    if (done_) return;
    open_.push_back(connection);
    ++requests_;
    refused = refused_;
  }
  char request[4096];  // of which the answer does not depend
  auto *in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
  if (g_input_stream_read(in, request, sizeof request, nullptr, nullptr) > 0) {
    if (refused) {
      send(connection, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    } else if (send(connection,
                    "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                    "Content-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n")) {
      const auto part = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: " +
                        std::to_string(picture_.size()) + "\r\n\r\n" + picture_ + "\r\n";
      while (send(connection, part)) g_usleep(kInterval);  // the camera's frame rate
    }
  }
  g_io_stream_close(G_IO_STREAM(connection), nullptr, nullptr);
  // Notified under the lock: the destructor goes on as soon as it has it.
  std::lock_guard lock(mutex_);
  open_.remove(connection);
  finished_.notify_all();
}

}  // namespace cudacam::test
