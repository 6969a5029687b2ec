// SPDX-License-Identifier: LGPL-2.1-or-later
///
/// Whom a test camera lets in.
#pragma once

#include <gst/rtsp-server/rtsp-server.h>

#include "base/ptr.hpp"
#include "test-camera.hpp"

namespace cudacam::test {

/// Whoever may look at a stream has this role.
constexpr const char *kViewerRole = "viewer";

/// Null when anybody may look without TLS.
ObjectPtr<GstRTSPAuth> make_camera_auth(const TestCameraOptions &options);

}  // namespace cudacam::test
