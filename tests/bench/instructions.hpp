// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <string>
#include <vector>

namespace cudacam::bench {

/// Runs this program again, with `arguments`, under callgrind, and returns how many instructions
/// were executed while it collected, by the library that they are in ("libcuda.so.1"). Throws
/// std::runtime_error with a sentence when that cannot be done here.
std::map<std::string, double> count_instructions(const std::vector<std::string> &arguments);

}  // namespace cudacam::bench
