// SPDX-License-Identifier: LGPL-2.1-or-later
#include "test-camera.hpp"

namespace cudacam::test {
namespace {

struct CodecName {
  CameraCodec codec;
  const char *name;
};
constexpr CodecName kCodecNames[] = {{CameraCodec::kH264, "h264"},
                                     {CameraCodec::kH265, "h265"},
                                     {CameraCodec::kVp8, "vp8"},
                                     {CameraCodec::kJpeg, "jpeg"},
                                     {CameraCodec::kAudio, "audio"}};

}  // namespace

std::optional<CameraCodec> codec_from_string(const std::string &name) {
  for (const auto &entry : kCodecNames)
    if (name == entry.name) return entry.codec;
  return std::nullopt;
}

const char *to_string(CameraCodec codec) {
  for (const auto &entry : kCodecNames)
    if (codec == entry.codec) return entry.name;
  return "unknown";
}

}  // namespace cudacam::test
