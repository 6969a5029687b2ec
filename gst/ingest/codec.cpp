// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/codec.hpp"

#include <algorithm>
#include <cctype>

namespace cudacam {
namespace {

// Byte-stream, because its parameter sets travel with the keyframes (config-interval=-1): a decoder
// that is kept over a reconnect learns new ones without new caps.
constexpr Codec kCodecs[] = {
    {"H.264",
     "H264",
     "rtph264depay",
     "h264parse",
     "video/x-h264,stream-format=byte-stream,alignment=au",
     {"nvh264dec", "avdec_h264", "openh264dec"}},
    {"H.265",
     "H265",
     "rtph265depay",
     "h265parse",
     "video/x-h265,stream-format=byte-stream,alignment=au",
     {"nvh265dec", "avdec_h265", "libde265dec"}},
    {"JPEG",
     "JPEG",
     "rtpjpegdepay",
     "jpegparse",
     "image/jpeg",
     {"nvjpegdec", "jpegdec", "avdec_mjpeg"}},
};

}  // namespace

const Codec *find_codec(std::string_view encoding_name) {
  for (const auto &codec : kCodecs) {
    const std::string_view own(codec.encoding_name);
    if (own.size() == encoding_name.size() &&
        std::equal(own.begin(), own.end(), encoding_name.begin(),
                   [](char a, char b) { return a == std::toupper(static_cast<unsigned char>(b)); }))
      return &codec;
  }
  return nullptr;
}

}  // namespace cudacam
