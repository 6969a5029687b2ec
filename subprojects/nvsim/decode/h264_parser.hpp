// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The video parser for H.264.
#pragma once

#include <array>
#include <optional>

#include "decode/h264_dpb.hpp"
#include "decode/h264_syntax.hpp"
#include "decode/parser.hpp"

namespace nvsim::decode::h264 {

class H264Parser : public Parser {
 public:
  explicit H264Parser(const CUVIDPARSERPARAMS &params)
      : Parser(params), buffer_([this](const PicturePtr &picture) { output(picture); }) {}

 private:
  void nal_unit(Span nal, std::uint64_t position) override;
  bool picture_open() const override { return open_; }
  void end_picture() override;
  void end_stream() override;

  void slice(Span nal, std::uint64_t position);
  bool start_sequence(const SliceHeader &slice, const Sps &sps);
  void start_picture(const SliceHeader &slice, std::uint64_t position);
  CUVIDPICPARAMS describe_picture() const;
  void fill_references(CUVIDH264PICPARAMS &h264) const;

  std::array<std::optional<Sps>, 32> sps_;
  std::array<std::optional<Pps>, 256> pps_;
  PictureBuffer buffer_;

  std::optional<Sps> active_;  // the sequence in work
  Pps picture_pps_;
  SliceHeader first_slice_;
  bool open_ = false, second_field_ = false, intra_ = true;
};

CUVIDEOFORMAT format_of(const Sps &sps);

}  // namespace nvsim::decode::h264
