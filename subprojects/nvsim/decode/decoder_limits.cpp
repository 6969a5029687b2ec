// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a decoder can be made for and changed to.
#include <algorithm>

#include "decode/caps.hpp"
#include "decode/decoder.hpp"

namespace nvsim::decode {

namespace {

constexpr std::size_t kMostSurfaces = 32, kMostOutputs = 64;

void check_shown_area(std::size_t width, std::size_t height, const CUVIDDECODECREATEINFO &info) {
  const auto &area = info.display_area;
  if (area.left < 0 || area.top < 0 || area.right > static_cast<long>(width) ||
      area.bottom > static_cast<long>(height) || area.left >= area.right || area.top >= area.bottom)
    throw Error{CUDA_ERROR_INVALID_VALUE};
  if (info.ulTargetWidth != static_cast<std::size_t>(area.right - area.left) ||
      info.ulTargetHeight != static_cast<std::size_t>(area.bottom - area.top))
    throw Error{not_simulated("scaling by the decoder")};
  const auto &target = info.target_rect;
  const bool whole = (target.right == 0 && target.bottom == 0) ||
                     (target.left == 0 && target.top == 0 &&
                      target.right == static_cast<long>(info.ulTargetWidth) &&
                      target.bottom == static_cast<long>(info.ulTargetHeight));
  if (!whole) throw Error{not_simulated("a target rectangle of the decoder")};
}

}  // namespace

void check(const CUVIDDECODECREATEINFO &info) {
  CUVIDDECODECAPS caps{};
  caps.eCodecType = info.CodecType;
  caps.eChromaFormat = info.ChromaFormat;
  caps.nBitDepthMinus8 = static_cast<unsigned>(info.bitDepthMinus8);
  describe(caps);
  if (!caps.bIsSupported) throw Error{not_simulated("this codec, chroma format and bit depth")};
  if (info.ulWidth < caps.nMinWidth || info.ulHeight < caps.nMinHeight ||
      info.ulWidth > caps.nMaxWidth || info.ulHeight > caps.nMaxHeight ||
      info.ulNumDecodeSurfaces == 0 || info.ulNumDecodeSurfaces > kMostSurfaces ||
      info.ulNumOutputSurfaces > kMostOutputs)
    throw Error{CUDA_ERROR_INVALID_VALUE};
  if ((caps.nOutputFormatMask >> info.OutputFormat & 1) == 0) throw Error{CUDA_ERROR_INVALID_VALUE};
  const bool deep = info.OutputFormat == cudaVideoSurfaceFormat_P016;
  if (deep != (info.bitDepthMinus8 > 0))
    throw Error{not_simulated("depth conversion by the decoder")};
  if (info.DeinterlaceMode != cudaVideoDeinterlaceMode_Weave)
    throw Error{not_simulated("deinterlacing by the decoder")};
  if (info.enableHistogram) throw Error{not_simulated("the histogram")};
  check_shown_area(info.ulWidth, info.ulHeight, info);
}

void Decoder::reconfigure(const CUVIDRECONFIGUREDECODERINFO &info) {
  const std::lock_guard lock(mutex_);
  CUVIDDECODECREATEINFO changed = info_;
  changed.ulWidth = info.ulWidth;
  changed.ulHeight = info.ulHeight;
  changed.ulTargetWidth = info.ulTargetWidth;
  changed.ulTargetHeight = info.ulTargetHeight;
  changed.display_area = {info.display_area.left, info.display_area.top, info.display_area.right,
                          info.display_area.bottom};
  changed.target_rect = {info.target_rect.left, info.target_rect.top, info.target_rect.right,
                         info.target_rect.bottom};
  const std::size_t most_width = std::max(info_.ulMaxWidth, info_.ulWidth);
  const std::size_t most_height = std::max(info_.ulMaxHeight, info_.ulHeight);
  if (info.ulWidth > most_width || info.ulHeight > most_height ||
      info.ulNumDecodeSurfaces > surfaces_.size())
    throw Error{CUDA_ERROR_INVALID_VALUE};
  check(changed);
  for (const Output &output : outputs_)
    if (output.mapped >= 0)
      violation("decoder %u is reconfigured while a picture is mapped", number_);
  changed.ulMaxWidth = most_width;
  changed.ulMaxHeight = most_height;
  info_ = changed;
  const unsigned depth = static_cast<unsigned>(info_.bitDepthMinus8 + 8);
  surface_layout_ = Layout::of(info_.ulWidth, info_.ulHeight, depth);
  output_layout_ = Layout::of(info_.ulTargetWidth, info_.ulTargetHeight, depth);
  for (Surface &surface : surfaces_) surface.filled = false;
  count("decoder.reconfigured");
}

}  // namespace nvsim::decode
