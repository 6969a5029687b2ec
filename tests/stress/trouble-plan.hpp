// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which camera fails next, and how. Pure C++.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace cudacam::soak {

enum class Trouble {
  kEndOfFile,   // connections closed (FIN); the camera takes new ones at once
  kReset,       // the same with a TCP reset
  kKill,        // the process dies and is started again
  kBye,         // RTCP BYE; the camera takes new streams at once
  kFreeze,      // connected, but sends and answers nothing
  kNotFound,    // connections closed, then 404
  kStop,        // the process is stopped with its connections open, and continued
  kPortClosed,  // connections and port closed
};
constexpr std::size_t kTroubles = 8;

/// As in the report: "end of file", "reset", ...
const char *to_string(Trouble trouble);

/// How long the camera is away, in seconds.
double duration(Trouble trouble);

/// Goes round all cameras with one trouble, then with the next.
class TroublePlan {
 public:
  explicit TroublePlan(std::size_t cameras) : cameras_(cameras) {}

  struct Next {
    std::size_t camera;
    Trouble trouble;
  };
  /// `busy[camera]`: it is away or has not recovered; then another one is taken. None when all are.
  std::optional<Next> next(const std::vector<bool> &busy);

 private:
  const std::size_t cameras_;
  std::size_t count_ = 0;
};

}  // namespace cudacam::soak
