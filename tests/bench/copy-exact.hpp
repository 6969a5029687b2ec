// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace cudacam::bench {

class Gpu;

/// Copies planes of edge sizes with the kernels; throws when one byte is not as it should be.
void expect_kernels_exact(const Gpu &gpu);

/// A copy from a second GPU as cudacampool makes it, with and without peer access; what became of
/// it. Throws when it is not exact.
std::string check_peer(const Gpu &gpu);

}  // namespace cudacam::bench
