// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which transport the next attempt asks the camera for.
#pragma once

#include <string>

namespace cudacam {

/// The allowed transports, one at a time: TCP first, since it passes firewalls and NATs and loses
/// nothing; then UDP, multicast and HTTP, each when the camera refused the one before it. What a
/// camera accepts is kept until another camera or other transports are wanted.
///
/// (rtspsrc, given several, begins with UDP and waits five seconds for packets that may never
/// come.)
class Transports {
 public:
  /// `allowed`: GstRTSPLowerTrans. Begins anew when either differs from before.
  void want(const std::string &location, unsigned allowed);

  /// A single transport of those allowed, with the flags that are not transports (TLS).
  unsigned current() const;

  /// The camera refuses the current one. True: current() is another one now, to be tried at once.
  /// False: all were refused, and current() is the first again.
  bool refused();

 private:
  std::string location_;
  unsigned allowed_ = 0;
  unsigned rung_ = 0;  // how many of the allowed ones were refused
};

}  // namespace cudacam
