// SPDX-License-Identifier: LGPL-2.1-or-later
/// Property `statistics` of cudacamsrc.
#pragma once

#include "base/ptr.hpp"
#include "camera/supervisor.hpp"

namespace cudacam {

/// The structure that docs/elements/cudacamsrc.md describes.
StructurePtr statistics_of(const Supervisor::Snapshot &snapshot, const std::string &camera);

}  // namespace cudacam
