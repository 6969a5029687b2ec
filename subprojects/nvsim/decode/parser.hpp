// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The video parser: packets in, callbacks out, in the order in which NVIDIA's makes them.
//
//   packet ──> NAL units ──> parameter sets
//                  └───────> slices ──> sequence callback, where the format changed
//                              └──────> decode callback, once the picture is complete
//                                          └──> picture buffer ──> display queue ──> display
//                                          callback
//
// This class does what the codecs share; H264Parser and H265Parser know the syntax. One thread at
// a time; the callbacks run on it, inside parse().
#pragma once

#include <memory>
#include <vector>

#include "decode/bits.hpp"
#include "decode/display.hpp"
#include "decode/nvdec_types.hpp"
#include "decode/picture.hpp"
#include "decode/timestamps.hpp"

namespace nvsim::decode {

class Parser {
 public:
  explicit Parser(const CUVIDPARSERPARAMS &params);
  virtual ~Parser() = default;
  Parser(const Parser &) = delete;
  Parser &operator=(const Parser &) = delete;

  // What callbacks answer is not passed on (measured). After a refused sequence nothing is parsed.
  void parse(const CUVIDSOURCEDATAPACKET &packet);

 protected:
  // A complete NAL unit that began at `position` of the stream.
  virtual void nal_unit(Span nal, std::uint64_t position) = 0;
  // Whether a picture's slices are being collected.
  virtual bool picture_open() const = 0;
  // No more slices: decode and show.
  virtual void end_picture() = 0;
  // All pictures are given out; parameter sets and order are forgotten.
  virtual void end_stream() = 0;

  // Asks the program, where the format differs from the last one. False: the program refused.
  bool announce(const CUVIDEOFORMAT &format);

  // A picture with a surface, at any price: shows what waits until one is free. Without one the
  // picture comes back as skipped.
  PicturePtr new_picture(std::uint64_t position);
  void add_slice(Span nal);
  // Hands the collected slices to the program.
  void decode(CUVIDPICPARAMS &params, const PicturePtr &picture, bool second_field);
  void output(const PicturePtr &picture) { display_.push(picture); }
  void decoded() { display_.decoded(decoded_); }

  bool packet_after_gap() const { return packet_after_gap_; }
  unsigned surface_count() const { return surfaces_.count(); }
  bool slices_collected() const { return !slice_offsets_.empty(); }

 private:
  void show(const Picture &picture);
  void split(Span data, bool complete);

  CUVIDPARSERPARAMS params_;
  Surfaces surfaces_;
  Timestamps timestamps_;
  Display display_;

  Bytes unparsed_;                // from the last start code on
  std::uint64_t position_ = 0;    // of the first of them in the stream
  std::size_t zeros_before_ = 0;  // the start code of the unit at hand
  Bytes slices_;
  std::vector<unsigned> slice_offsets_;
  CUVIDEOFORMAT format_{};
  bool has_format_ = false;
  bool packet_after_gap_ = false;
  bool refused_ = false;
  std::uint64_t decoded_ = 0;  // frames and fields
};

// nullptr for a codec that is not simulated.
std::unique_ptr<Parser> make_parser(const CUVIDPARSERPARAMS &params);

// The parts of CUVIDEOFORMAT that follow from the usability information.
struct VideoUsability;
void describe(CUVIDEOFORMAT &format, const VideoUsability &vui);

}  // namespace nvsim::decode
