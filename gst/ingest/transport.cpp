// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/transport.hpp"

#include <vector>

namespace cudacam {
namespace {

// GstRTSPLowerTrans, by value: this file knows no GStreamer.
constexpr unsigned kUdp = 1 << 0, kMulticast = 1 << 1, kTcp = 1 << 2, kHttp = 1 << 4;
constexpr unsigned kOrder[] = {kTcp, kUdp, kMulticast, kHttp};
constexpr unsigned kTransports = kTcp | kUdp | kMulticast | kHttp;

std::vector<unsigned> ladder(unsigned allowed) {
  std::vector<unsigned> rungs;
  for (const auto transport : kOrder)
    if (allowed & transport) rungs.push_back(transport);
  return rungs;
}

}  // namespace

void Transports::want(const std::string &location, unsigned allowed) {
  if (location == location_ && allowed == allowed_) return;
  location_ = location;
  allowed_ = allowed;
  rung_ = 0;
}

unsigned Transports::current() const {
  const auto rungs = ladder(allowed_);
  return rungs.empty() ? allowed_ : rungs[rung_] | (allowed_ & ~kTransports);
}

bool Transports::refused() {
  if (++rung_ < ladder(allowed_).size()) return true;
  rung_ = 0;
  return false;
}

}  // namespace cudacam
