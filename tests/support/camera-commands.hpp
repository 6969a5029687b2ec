// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "test-camera.hpp"

namespace cudacam::test {

/// Does what one line such as "resolution 1280x720" says. Returns "ok", what was asked for, or a
/// sentence that starts with "error: ".
std::string run_camera_command(TestCamera &camera, const std::string &line);

}  // namespace cudacam::test
