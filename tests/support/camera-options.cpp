// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera-options.hpp"

#include <nlohmann/json.hpp>

namespace cudacam::test {

void CameraOptions::add_to(CommandLine &line) {
  const auto add = [&](const char *name, int &value, const char *what, char letter = 0) {
    const std::string help = std::string(what) + " (default " + std::to_string(value) + ")";
    line.add(name, value, g_intern_string(help.c_str()), "N", letter);
  };
  add("cameras", count, "Test cameras", 'n');
  add("width", width, "Of the pictures");
  add("height", height, "Of the pictures");
  add("fps", fps, "Frames a second");
}

void CameraOptions::check() const {
  if (count < 1 || width < 1 || height < 1 || fps < 1)
    throw std::runtime_error("--cameras, --width, --height and --fps want more than 0");
}

std::vector<std::string> CameraOptions::words() const {
  return {"--width",  std::to_string(width),  //
          "--height", std::to_string(height), "--fps", std::to_string(fps)};
}

nlohmann::json CameraOptions::to_json() const {
  return {{"cameras", count}, {"width", width}, {"height", height}, {"fps", fps}};
}

}  // namespace cudacam::test
