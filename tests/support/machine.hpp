// SPDX-License-Identifier: LGPL-2.1-or-later
/// Where a figure was taken, and what the process uses of it. A figure without this is worth
/// nothing.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>

namespace cudacam::test {

/// "gpu", "driver", "simulated", "cpu", "cores", "gstreamer", "date" (UTC), "version" (of this
/// project), "command" (without folders). After gst_init().
nlohmann::json describe_machine(int argc, char **argv);

struct Usage {
  /// Of the first GPU, all processes together, in bytes; on the simulated one, of this process.
  std::optional<std::uint64_t> vram;
  std::uint64_t rss = 0;  ///< resident memory, in bytes
  unsigned threads = 0;
  unsigned fds = 0;
};

Usage usage();

}  // namespace cudacam::test
