// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/caps.hpp"

namespace nvsim::decode {

namespace {

constexpr unsigned kNv12 = 1u << cudaVideoSurfaceFormat_NV12;
constexpr unsigned kP016 = 1u << cudaVideoSurfaceFormat_P016;

struct Limits {
  cudaVideoCodec codec;
  unsigned depth_minus_8;
  unsigned formats;
  unsigned most, least_width, least_height;  // most: width and height
};

constexpr Limits kLimits[] = {
    {cudaVideoCodec_H264, 0, kNv12, 4096, 48, 16},
    {cudaVideoCodec_HEVC, 0, kNv12, 8192, 144, 144},
    {cudaVideoCodec_HEVC, 2, kNv12 | kP016, 8192, 144, 144},
};

}  // namespace

void describe(CUVIDDECODECAPS &caps) {
  CUVIDDECODECAPS answer{};
  answer.eCodecType = caps.eCodecType;
  answer.eChromaFormat = caps.eChromaFormat;
  answer.nBitDepthMinus8 = caps.nBitDepthMinus8;
  for (const Limits &limits : kLimits) {
    if (limits.codec != caps.eCodecType || caps.eChromaFormat != cudaVideoChromaFormat_420 ||
        limits.depth_minus_8 != caps.nBitDepthMinus8)
      continue;
    answer.bIsSupported = 1;
    answer.nNumNVDECs = 1;
    answer.nOutputFormatMask = static_cast<unsigned short>(limits.formats);
    answer.nMaxWidth = answer.nMaxHeight = limits.most;
    answer.nMaxMBCount = limits.most / 16 * (limits.most / 16);
    answer.nMinWidth = static_cast<unsigned short>(limits.least_width);
    answer.nMinHeight = static_cast<unsigned short>(limits.least_height);
  }
  caps = answer;
}

}  // namespace nvsim::decode
