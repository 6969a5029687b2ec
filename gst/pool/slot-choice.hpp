// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which free slot is written next, without GStreamer or CUDA.
#pragma once

#include <optional>
#include <vector>

namespace cudacam {

/// Whether a free slot can be written, as far as work on a GPU is concerned.
enum class Readiness {
  kReady,      ///< nothing on the GPU uses it any more
  kAfterWait,  ///< something does, and the writer's stream can be made to wait for it
  kNotYet,     ///< something does, and no stream can be made to wait: only to be asked again
};

struct SlotChoice {
  unsigned slot;
  bool wait;  ///< the writer's stream must be made to wait first
};

/// The first of `free`, which are in the order of preference, that is ready; a writer waits only
/// when none is. Nothing when no slot will do. `readiness(slot)` is asked until one is ready.
template <class Ask>
std::optional<SlotChoice> choose_slot(const std::vector<unsigned> &free, Ask &&readiness) {
  std::optional<SlotChoice> choice;
  for (const auto slot : free) {
    const auto answer = readiness(slot);
    if (answer == Readiness::kReady) return SlotChoice{slot, false};
    if (answer == Readiness::kAfterWait && !choice) choice = SlotChoice{slot, true};
  }
  return choice;
}

}  // namespace cudacam
