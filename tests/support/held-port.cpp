// SPDX-License-Identifier: LGPL-2.1-or-later
#include "held-port.hpp"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "base/ptr.hpp"

namespace cudacam::test {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  in_port_t *port = nullptr;

  Address(const std::string &text, int number) {
    auto *v4 = reinterpret_cast<sockaddr_in *>(&storage);
    auto *v6 = reinterpret_cast<sockaddr_in6 *>(&storage);
    if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
      storage.ss_family = AF_INET;
      size = sizeof *v4;
      port = &v4->sin_port;
    } else if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
      storage.ss_family = AF_INET6;
      size = sizeof *v6;
      port = &v6->sin6_port;
    } else {
      throw std::runtime_error("\"" + text + "\" is not a numeric address");
    }
    *port = htons(static_cast<in_port_t>(number));
  }
  sockaddr *raw() { return reinterpret_cast<sockaddr *>(&storage); }
};

}  // namespace

std::string numeric_address(const std::string &host) {
  const auto resolver = adopt(g_resolver_get_default());
  GError *raw_error = nullptr;
  GList *addresses = g_resolver_lookup_by_name(resolver.get(), host.c_str(), nullptr, &raw_error);
  if (const ErrorPtr error(raw_error); error)
    throw std::runtime_error("\"" + host + "\" is no address to listen on: " + error->message);
  const auto is_v4 = [](const GList *one) {
    return g_inet_address_get_family(G_INET_ADDRESS(one->data)) == G_SOCKET_FAMILY_IPV4;
  };
  const GList *best = addresses;
  while (best && !is_v4(best)) best = best->next;
  if (!best) best = addresses;
  const CharPtr address(g_inet_address_to_string(G_INET_ADDRESS(best->data)));
  g_resolver_free_addresses(addresses);
  return address.get();
}

HeldPort::HeldPort(const std::string &address, int port) {
  Address at(address, port);
  socket_ = socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (socket_ < 0 || setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(socket_, at.raw(), at.size) != 0 || getsockname(socket_, at.raw(), &at.size) != 0) {
    const std::string problem = std::strerror(errno);
    if (socket_ >= 0) close(socket_);
    throw std::runtime_error("the test camera cannot listen on " + address + " port " +
                             std::to_string(port) + ": " + problem);
  }
  port_ = ntohs(*at.port);
}

HeldPort::~HeldPort() {
  close(socket_);
}

}  // namespace cudacam::test
