// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/h264_parser.hpp"
#include "decode/h265_parser.hpp"
#include "decode/parser.hpp"

namespace nvsim::decode {

std::unique_ptr<Parser> make_parser(const CUVIDPARSERPARAMS &params) {
  switch (params.CodecType) {
    case cudaVideoCodec_H264:
      return std::make_unique<h264::H264Parser>(params);
    case cudaVideoCodec_HEVC:
      return std::make_unique<h265::H265Parser>(params);
    default:
      return nullptr;
  }
}

}  // namespace nvsim::decode
