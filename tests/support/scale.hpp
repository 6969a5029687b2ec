// SPDX-License-Identifier: LGPL-2.1-or-later
/// How much of a long test is run: little in CI, all of it by hand.
#pragma once

#include <cstdlib>

namespace cudacam::test {

/// The number in an environment variable, else `usual`.
inline unsigned scale(const char *variable, unsigned usual) {
  const char *text = std::getenv(variable);
  const auto wished = text ? std::strtoul(text, nullptr, 10) : 0;
  return wished > 0 ? static_cast<unsigned>(wished) : usual;
}

}  // namespace cudacam::test
