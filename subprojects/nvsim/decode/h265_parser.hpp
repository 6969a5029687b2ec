// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The video parser for H.265.
#pragma once

#include <array>
#include <optional>

#include "decode/h265_dpb.hpp"
#include "decode/h265_syntax.hpp"
#include "decode/parser.hpp"

namespace nvsim::decode::h265 {

class H265Parser : public Parser {
 public:
  explicit H265Parser(const CUVIDPARSERPARAMS &params)
      : Parser(params), buffer_([this](const PicturePtr &picture) { output(picture); }) {}

 private:
  void nal_unit(Span nal, std::uint64_t position) override;
  bool picture_open() const override { return open_; }
  void end_picture() override;
  void end_stream() override;

  void slice(Span nal, std::uint64_t position);
  bool start_picture(const SliceHeader &slice, const Sps &sps, std::uint64_t position);
  CUVIDPICPARAMS describe_picture() const;
  void fill_references(CUVIDHEVCPICPARAMS &hevc) const;

  std::array<std::optional<Sps>, 16> sps_;
  std::array<std::optional<Pps>, 64> pps_;
  PictureBuffer buffer_;

  std::optional<Sps> active_;
  Pps picture_pps_;
  SliceHeader first_slice_;
  bool leading_skipped_ = true;  // NoRaslOutputFlag of the last random access point
  bool open_ = false, intra_ = true;
};

CUVIDEOFORMAT format_of(const Sps &sps);
// What the parameter sets contribute to a picture's structure.
void describe(CUVIDHEVCPICPARAMS &hevc, const Sps &sps);
void describe(CUVIDHEVCPICPARAMS &hevc, const Pps &pps, const Sps &sps);

}  // namespace nvsim::decode::h265
