// SPDX-License-Identifier: LGPL-2.1-or-later
///
/// The pipeline behind a test camera's streams.
#pragma once

#include <gst/gst.h>

#include <string>

#include "live-feed.hpp"
#include "test-camera.hpp"

namespace cudacam::test {

/// Throws std::invalid_argument where the options contradict each other.
void check_camera_options(const TestCameraOptions &options);

/// Throws std::runtime_error when the encoder is not installed.
void check_camera_elements(const TestCameraOptions &options);

/// A launch line for GstRTSPMediaFactory.
std::string camera_launch_line(const TestCameraOptions &options);

/// Numbers the frames of `bin` from `feed`, and keeps back what a frozen camera would not send.
/// `bin` was made from camera_launch_line() and is in its pipeline already; `feed` outlives both.
void attach_to_feed(GstElement *bin, LiveFeed *feed, const TestCameraOptions &options);

/// Both act on a running pipeline.
void change_media_size(GstElement *bin, const TestCameraOptions &options);
void end_media(GstElement *bin);

}  // namespace cudacam::test
