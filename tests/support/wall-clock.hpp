// SPDX-License-Identifier: LGPL-2.1-or-later
/// The wall clock of this process, which can be stepped.
///
/// Linked into a program this takes the place of the C library's clock_gettime(), gettimeofday()
/// and time() for every library of the process; monotonic clocks stay as they are.
#pragma once

#include <cstdint>

namespace cudacam::test {

/// From now on the wall clock shows `seconds` more (less, when negative) than it would have.
void step_wall_clock(std::int64_t seconds);

}  // namespace cudacam::test
