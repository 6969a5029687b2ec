// SPDX-License-Identifier: LGPL-2.1-or-later
#include "outage-plan.hpp"

#include <algorithm>

namespace cudacam::demo {
namespace {

constexpr double kPeriod = 30;
constexpr double kTimeToRecover = 5;

struct Scene {
  std::size_t parity;  // of the camera's index
  OutageKind kind;
  double at, back;
};

// Alone, together, for long and for short; the last one takes all cameras at once.
constexpr Scene kScript[] = {
    {0, OutageKind::kKill, 3, 6},     {1, OutageKind::kFreeze, 5, 11},
    {0, OutageKind::kFreeze, 12, 13}, {1, OutageKind::kKill, 15, 16},
    {0, OutageKind::kKill, 20, 22.5}, {1, OutageKind::kKill, 20, 22.5},
};

}  // namespace

std::vector<Outage> plan_outages(std::size_t cameras, double seconds) {
  std::vector<Outage> plan;
  for (double start = 0; start < seconds; start += kPeriod)
    for (const Scene &scene : kScript)
      for (std::size_t camera = scene.parity; camera < cameras; camera += 2)
        if (start + scene.back + kTimeToRecover <= seconds)
          plan.push_back({camera, scene.kind, start + scene.at, start + scene.back});
  std::stable_sort(plan.begin(), plan.end(),
                   [](const Outage &a, const Outage &b) { return a.at < b.at; });
  return plan;
}

}  // namespace cudacam::demo
