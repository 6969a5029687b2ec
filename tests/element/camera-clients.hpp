// SPDX-License-Identifier: LGPL-2.1-or-later
/// What tests of the test camera share. Includes gst-check, whose macros come last.
#pragma once

#include "test-camera.hpp"

#include <string>

#include "test-client.hpp"
#include "upstream-criticals.hpp"

#include <gst/check/gstcheck.h>

namespace cudacam::test {

inline TestCameraOptions small_picture() {
  TestCameraOptions options;
  options.width = 320;
  options.height = 240;
  options.gop = 10;
  return options;
}

inline PlayingClient::Settings settings_for(const TestCamera &camera) {
  expect_upstream_criticals();
  PlayingClient::Settings settings;
  settings.location = camera.url();
  return settings;
}

inline void assert_no_bad_frame(const PlayingClient &client) {
  const auto checker = client.checker();
  fail_unless(checker.bad() == 0, "%s",
              checker.bad() ? checker.explanations().front().c_str() : "");
}

inline bool contains(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

}  // namespace cudacam::test
