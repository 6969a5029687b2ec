// SPDX-License-Identifier: LGPL-2.1-or-later
/// A port that stays ours while nobody listens on it.
#pragma once

#include <string>

namespace cudacam::test {

/// A host's address, of IPv4 where it has one: "localhost" is ::1 as well, also on machines without
/// IPv6. Numeric addresses stay. Throws std::runtime_error with a sentence for the user.
std::string numeric_address(const std::string &host);

/// Bound, not listening: connections are refused, a server of this process can bind it all the same
/// (with SO_REUSEADDR, as GLib does), and the kernel gives it to nobody else meanwhile, neither to
/// another camera nor to a connection's own end. (A client that tries the free port of a stopped
/// camera again and again even reaches itself when the kernel picks that port for it.)
class HeldPort {
 public:
  /// `address`: numeric. `port`: 0: any free one. Throws std::runtime_error when it cannot be had.
  HeldPort(const std::string &address, int port);
  ~HeldPort();
  HeldPort(const HeldPort &) = delete;
  HeldPort &operator=(const HeldPort &) = delete;

  int port() const { return port_; }

 private:
  int socket_;
  int port_;
};

}  // namespace cudacam::test
