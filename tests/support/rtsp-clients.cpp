// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rtsp-clients.hpp"

#include <sys/socket.h>

namespace cudacam::test {
namespace {

void close_client(GstRTSPClient *client, CloseMode mode) {
  GstRTSPConnection *connection = gst_rtsp_client_get_connection(client);
  GSocket *socket = connection ? gst_rtsp_connection_get_read_socket(connection) : nullptr;
  if (socket && mode == CloseMode::kReset) {
    const struct linger at_once = {1, 0};
    setsockopt(g_socket_get_fd(socket), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  } else if (socket) {
    // close() on a socket with unread input, such as a receiver report, would send RST. The FIN
    // goes out here; what has come in is read away.
    shutdown(g_socket_get_fd(socket), SHUT_WR);
    char discarded[4096];
    while (recv(g_socket_get_fd(socket), discarded, sizeof discarded, MSG_DONTWAIT) > 0) {
    }
  }
  gst_rtsp_client_close(client);
}

}  // namespace

void close_clients(GstRTSPServer *server, CloseMode mode) {
  GList *clients = gst_rtsp_server_client_filter(server, nullptr, nullptr);
  for (GList *item = clients; item; item = item->next)
    close_client(GST_RTSP_CLIENT(item->data), mode);
  g_list_free_full(clients, g_object_unref);
}

unsigned count_clients(GstRTSPServer *server) {
  GList *clients = gst_rtsp_server_client_filter(server, nullptr, nullptr);
  const unsigned count = g_list_length(clients);
  g_list_free_full(clients, g_object_unref);
  return count;
}

}  // namespace cudacam::test
