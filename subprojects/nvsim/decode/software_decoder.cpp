// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/software_decoder.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
}

#include "driver/seam.hpp"

namespace nvsim::decode {

SoftwareDecoder::SoftwareDecoder(cudaVideoCodec codec) : h264_(codec == cudaVideoCodec_H264) {
  const AVCodec *implementation =
      avcodec_find_decoder_by_name(h264_                          ? "h264"
                                   : codec == cudaVideoCodec_HEVC ? "hevc"
                                                                  : "");
  if (implementation == nullptr) throw Error{not_simulated("a decoder that libavcodec lacks")};
  codec_ = avcodec_alloc_context3(implementation);
  packet_ = av_packet_alloc();
  scratch_ = av_frame_alloc();
  picture_ = av_frame_alloc();
  if (codec_ == nullptr || packet_ == nullptr || scratch_ == nullptr || picture_ == nullptr)
    throw std::bad_alloc();
  codec_->opaque = this;
  codec_->get_buffer2 = frame_wanted;
  codec_->thread_count = 1;  // each picture is complete when decode() returns
  codec_->thread_type = FF_THREAD_SLICE;
  codec_->apply_cropping = 0;
  codec_->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
  if (setting("AVLOG", 0) == 0) codec_->log_level_offset = 64;  // below what anybody prints
  if (avcodec_open2(codec_, implementation, nullptr) < 0) throw Error{CUDA_ERROR_UNKNOWN};
}

SoftwareDecoder::~SoftwareDecoder() {
  av_frame_free(&picture_);
  av_frame_free(&scratch_);
  av_packet_free(&packet_);
  avcodec_free_context(&codec_);
}

// libavcodec asks for a frame when it begins a picture, in decode order. Before an H.264 picture it
// may ask for frames that were lost, within an H.265 picture for references that are missing.
int SoftwareDecoder::frame_wanted(AVCodecContext *codec, AVFrame *frame, int flags) {
  auto *self = static_cast<SoftwareDecoder *>(codec->opaque);
  const int result = avcodec_default_get_buffer2(codec, frame, flags | AV_GET_BUFFER_FLAG_REF);
  if (result < 0 || (!self->h264_ && self->wanted_)) return result;
  av_frame_unref(self->picture_);
  const int referenced = av_frame_ref(self->picture_, frame);
  self->inner_ = frame;
  self->wanted_ = true;
  return referenced;
}

SoftwareDecoder::Result SoftwareDecoder::decode(const Bytes &unit, bool second_field) {
  Bytes padded = unit;
  padded.resize(unit.size() + AV_INPUT_BUFFER_PADDING_SIZE);
  packet_->data = padded.data();
  packet_->size = static_cast<int>(unit.size());
  wanted_ = false;
  int status = avcodec_send_packet(codec_, packet_);
  for (int output = 0; output >= 0;) {
    output = avcodec_receive_frame(codec_, scratch_);
    if (output >= 0) av_frame_unref(scratch_);
    if (output < 0 && output != AVERROR(EAGAIN) && output != AVERROR_EOF) status = output;
  }
  packet_->data = nullptr;
  packet_->size = 0;
  Result result;
  if (!wanted_ && !second_field) return result;
  result.frame = picture_->buf[0] != nullptr ? picture_ : nullptr;
  result.damaged = status < 0 || (h264_ && inner_ != nullptr && inner_->decode_error_flags != 0);
  return result;
}

}  // namespace nvsim::decode
