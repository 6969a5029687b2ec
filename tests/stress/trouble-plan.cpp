// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trouble-plan.hpp"

namespace cudacam::soak {

const char *to_string(Trouble trouble) {
  switch (trouble) {
    case Trouble::kEndOfFile:
      return "end of file";
    case Trouble::kReset:
      return "reset";
    case Trouble::kKill:
      return "killed";
    case Trouble::kBye:
      return "BYE";
    case Trouble::kFreeze:
      return "frozen";
    case Trouble::kNotFound:
      return "404";
    case Trouble::kStop:
      return "stopped";
    case Trouble::kPortClosed:
      return "port closed";
  }
  return "unknown";
}

double duration(Trouble trouble) {
  switch (trouble) {
    case Trouble::kEndOfFile:
    case Trouble::kReset:
    case Trouble::kBye:
      return 0;
    case Trouble::kKill:
    case Trouble::kPortClosed:
      return 2;
    case Trouble::kNotFound:
      return 3;
    case Trouble::kFreeze:
    case Trouble::kStop:
      return 4;
  }
  return 0;
}

std::optional<TroublePlan::Next> TroublePlan::next(const std::vector<bool> &busy) {
  for (std::size_t i = 0; i < cameras_; ++i) {
    const std::size_t camera = (count_ + i) % cameras_;
    if (busy[camera]) continue;
    // Each camera starts with another trouble, so that a short run has seen several.
    const auto trouble = static_cast<Trouble>((count_ / cameras_ + camera) % kTroubles);
    ++count_;
    return Next{camera, trouble};
  }
  return std::nullopt;
}

}  // namespace cudacam::soak
