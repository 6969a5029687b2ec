// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which test cameras a program runs, as options of its own.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "command-line.hpp"

namespace cudacam::test {

struct CameraOptions {
  int count, width, height, fps;

  /// --cameras, --width, --height and --fps, with the present values as their defaults. As
  /// CommandLine::add().
  void add_to(CommandLine &line);
  /// Throws std::runtime_error with a sentence for the user.
  void check() const;
  /// For each camera's process.
  std::vector<std::string> words() const;
  /// "cameras", "width", "height", "fps".
  nlohmann::json to_json() const;
};

}  // namespace cudacam::test
