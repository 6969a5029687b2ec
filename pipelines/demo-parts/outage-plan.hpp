// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which camera fails when. Pure C++.
#pragma once

#include <cstddef>
#include <vector>

namespace cudacam::demo {

enum class OutageKind {
  kKill,    // the process is killed, and started again on the same port
  kFreeze,  // the process is stopped with its connections open, and continued
};

struct Outage {
  std::size_t camera;
  OutageKind kind;
  double at;    ///< seconds from the start of the show
  double back;  ///< when the camera comes back
};

/// The script for so many cameras, in the order of `at`. It repeats every 30 s and leaves out what
/// would not leave the cameras time to recover before the end.
std::vector<Outage> plan_outages(std::size_t cameras, double seconds);

}  // namespace cudacam::demo
