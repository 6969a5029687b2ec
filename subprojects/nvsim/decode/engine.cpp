// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/engine.hpp"

#include <chrono>
#include <thread>

#include "decode/h264_rebuild.hpp"

namespace nvsim::decode {

void Engine::decode(const CodedPicture &picture) {
  if (const long delay = setting("DECODE_DELAY_US", 0); delay > 0)
    std::this_thread::sleep_for(std::chrono::microseconds(delay));
  Bytes unit;
  if (picture.parameter_sets != last_parameter_sets_)
    unit = last_parameter_sets_ = picture.parameter_sets;
  unit.insert(unit.end(), picture.slices.begin(), picture.slices.end());

  const SoftwareDecoder::Result result = software_.decode(unit, picture.second_field);
  const bool stored =
      result.frame != nullptr && store(*result.frame, host_view(picture.surface), picture.layout);
  const bool damaged_before =
      picture.second_field && status_[picture.index] == cuvidDecodeStatus_Error_Concealed;
  status_[picture.index] = !stored                            ? cuvidDecodeStatus_Error
                           : result.damaged || damaged_before ? cuvidDecodeStatus_Error_Concealed
                                                              : cuvidDecodeStatus_Success;
}

void StreamBuilder::build(const CUVIDPICPARAMS &params, CodedPicture &picture) {
  if (codec_ == cudaVideoCodec_HEVC) {
    h265::Rebuilt rebuilt = h265_.rebuild(params);
    picture.parameter_sets = std::move(rebuilt.parameter_sets);
    picture.slices = std::move(rebuilt.slices);
  } else {
    picture.parameter_sets = h264::parameter_sets(params);
    picture.slices.assign(params.pBitstreamData, params.pBitstreamData + params.nBitstreamDataLen);
  }
}

std::vector<int> StreamBuilder::references(const CUVIDPICPARAMS &params) const {
  if (codec_ == cudaVideoCodec_HEVC) return h265::used_references(params.CodecSpecific.hevc);
  std::vector<int> references;
  for (const CUVIDH264DPBENTRY &entry : params.CodecSpecific.h264.dpb)
    if (entry.PicIdx >= 0 && !entry.not_existing && entry.used_for_reference != 0)
      references.push_back(entry.PicIdx);
  return references;
}

}  // namespace nvsim::decode
