// SPDX-License-Identifier: LGPL-2.1-or-later
//
// libavcodec as the arithmetic behind the simulated engine. It is fed one coded picture at a time
// and gives each back at once, in decode order; libavcodec's own output order is of no interest.
#pragma once

#include <memory>

#include "decode/bits.hpp"
#include "decode/nvdec_types.hpp"

struct AVCodecContext;
struct AVFrame;
struct AVPacket;

namespace nvsim::decode {

class SoftwareDecoder {
 public:
  // Throws Error{CUDA_ERROR_NOT_SUPPORTED} where libavcodec was built without the codec.
  explicit SoftwareDecoder(cudaVideoCodec codec);
  ~SoftwareDecoder();
  SoftwareDecoder(const SoftwareDecoder &) = delete;
  SoftwareDecoder &operator=(const SoftwareDecoder &) = delete;

  struct Result {
    const AVFrame *frame = nullptr;  // valid until the next call; nullptr: nothing was decoded
    bool damaged = false;            // parts are missing and were concealed
  };
  // An access unit in Annex B form; `second_field` completes the frame of the call before.
  Result decode(const Bytes &unit, bool second_field);

 private:
  static int frame_wanted(AVCodecContext *codec, AVFrame *frame, int flags);

  const bool h264_;
  AVCodecContext *codec_ = nullptr;
  AVPacket *packet_ = nullptr;
  AVFrame *scratch_ = nullptr;
  AVFrame *picture_ = nullptr;  // a reference to the frame in work
  AVFrame *inner_ = nullptr;    // libavcodec's own frame of it, which has the damage flags
  bool wanted_ = false;         // libavcodec has begun a frame since decode() was called
};

}  // namespace nvsim::decode
