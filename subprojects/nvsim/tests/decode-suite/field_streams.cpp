// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/decode-suite/field_streams.hpp"

#include <algorithm>
#include <utility>

namespace field_streams {

namespace {

using nvsim::decode::append_nal;
using nvsim::decode::BitWriter;

// Macroblocks of a frame; a field has half the rows.
constexpr unsigned kWidth = 4, kHeight = 4;
constexpr unsigned kFrameNumBits = 4, kPocBits = 6;
constexpr unsigned kSamples = 256 + 2 * 64;  // of a macroblock

enum class Type : unsigned { P = 0, B = 1, I = 2 };
enum class Shape { frame, top, bottom };

// A memory management control operation and its operands.
using Marking = std::vector<unsigned>;

struct Coding {
  Type type = Type::P;
  bool reference = true, idr = false, new_frame = true;
  std::vector<Marking> markings;
  unsigned slices = 1;
};

class Writer {
 public:
  struct Options {
    bool mbaff = false;
    unsigned reordered = 0;  // frames that are shown later than decoded
    unsigned references = 2;
  };
  Writer(std::string name, Options options) : options_(options) { stream_.name = std::move(name); }

  // The picture that is `shown` as frame number so many. `coding.new_frame` is false for a second
  // field.
  void picture(Shape shape, unsigned shown, const Coding &coding);
  // Both fields; the second of an IDR picture is predicted.
  void pair(unsigned shown, Coding coding, bool bottom_first = false) {
    picture(bottom_first ? Shape::bottom : Shape::top, shown, coding);
    if (coding.idr) coding = {};
    coding.new_frame = false;
    coding.markings.clear();
    picture(bottom_first ? Shape::top : Shape::bottom, shown, coding);
  }
  void single_field(unsigned shown, const Coding &coding, Shape shape = Shape::top) {
    picture(shape, shown, coding);
    stream_.single_fields++;
  }
  // A frame that was a reference is not there.
  void lose_frame() { frame_num_ = (frame_num_ + 1) % (1u << kFrameNumBits); }

  Stream take() { return std::move(stream_); }

 private:
  struct Slice {
    Shape shape;
    unsigned first, end;  // macroblocks, or pairs of them
    unsigned poc_lsb;
  };
  void parameter_sets(Bytes &out) const;
  void header(BitWriter &out, const Slice &slice, const Coding &coding) const;
  void noise(BitWriter &out);
  void macroblocks(BitWriter &out, const Slice &slice, const Coding &coding);
  void pairs(BitWriter &out, const Slice &slice);

  const Options options_;
  Stream stream_;
  unsigned frame_num_ = 0;
  bool counts_ = false;  // the next frame gets a number of its own
  unsigned random_ = 1;
};

void Writer::parameter_sets(Bytes &out) const {
  BitWriter sps;
  sps.bits(77, 8);  // Main
  sps.bits(0, 8);
  sps.bits(30, 8);
  sps.ue(0);
  sps.ue(kFrameNumBits - 4);
  sps.ue(0);
  sps.ue(kPocBits - 4);
  sps.ue(options_.references);
  sps.flag(false);  // no gaps
  sps.ue(kWidth - 1);
  sps.ue(kHeight / 2 - 1);
  sps.flag(false);  // not only frames
  sps.flag(options_.mbaff);
  sps.flag(true);   // direct_8x8_inference
  sps.flag(false);  // no cropping
  sps.flag(true);   // usability information:
  for (int absent = 0; absent < 4; absent++) sps.flag(false);
  sps.flag(true);  // 25 frames per second
  sps.bits(1, 32);
  sps.bits(50, 32);
  sps.flag(true);
  for (int absent = 0; absent < 3; absent++) sps.flag(false);
  sps.flag(true);  // limits
  sps.flag(true);
  for (const unsigned limit : {0u, 0u, 16u, 16u, options_.reordered, options_.references + 1})
    sps.ue(limit);
  append_nal(out, {0x67}, sps);

  BitWriter pps;
  pps.ue(0);
  pps.ue(0);
  pps.flag(false);  // CAVLC
  pps.flag(true);   // the picture order of frames is given for both fields
  for (int none = 0; none < 3; none++) pps.ue(0);
  pps.bits(0, 3);  // no weights
  for (int flat = 0; flat < 3; flat++) pps.se(0);
  for (int absent = 0; absent < 3; absent++) pps.flag(false);
  append_nal(out, {0x68}, pps);
}

void Writer::header(BitWriter &out, const Slice &slice, const Coding &coding) const {
  out.ue(slice.first);
  out.ue(static_cast<unsigned>(coding.type));
  out.ue(0);
  out.bits(frame_num_, kFrameNumBits);
  out.flag(slice.shape != Shape::frame);
  if (slice.shape != Shape::frame) out.flag(slice.shape == Shape::bottom);
  if (coding.idr) out.ue(0);
  out.bits(slice.poc_lsb, kPocBits);
  if (slice.shape == Shape::frame) out.se(1);   // the bottom field comes second
  if (coding.type == Type::B) out.flag(true);   // spatial prediction
  if (coding.type != Type::I) out.flag(false);  // as many references as the PPS says
  if (coding.type != Type::I) out.flag(false);  // in their initial order
  if (coding.type == Type::B) out.flag(false);
  if (coding.reference && coding.idr) out.bits(0, 2);
  if (coding.reference && !coding.idr) {
    out.flag(!coding.markings.empty());
    for (const Marking &marking : coding.markings)
      for (const unsigned value : marking) out.ue(value);
    if (!coding.markings.empty()) out.ue(0);
  }
  out.se(0);
}

void Writer::noise(BitWriter &out) {
  while (!out.aligned()) out.flag(false);
  for (unsigned i = 0; i < kSamples; i++) {
    random_ = random_ * 1664525 + 1013904223;
    out.bits(16 + random_ / 65536 % 220, 8);
  }
}

// All of an I picture is noise, and of others the macroblocks that come round.
void Writer::macroblocks(BitWriter &out, const Slice &slice, const Coding &coding) {
  static constexpr unsigned kPcm = 25, kBefore[] = {5, 23, 0};  // mb_types of inter slices before
  const unsigned turn = static_cast<unsigned>(stream_.units.size()) % 5;
  unsigned skipped = 0;
  for (unsigned i = slice.first; i < slice.end; i++) {
    if (coding.type != Type::I) {
      if (i % 5 != turn) {
        skipped++;
        continue;
      }
      out.ue(std::exchange(skipped, 0));
    }
    out.ue(kPcm + kBefore[static_cast<unsigned>(coding.type)]);
    noise(out);
  }
  if (skipped > 0) out.ue(skipped);
}

// An I frame of macroblock pairs, every other of them in fields.
void Writer::pairs(BitWriter &out, const Slice &slice) {
  for (unsigned i = slice.first; i < slice.end; i++) {
    out.flag(i % 2 == 1);
    for (int macroblock = 0; macroblock < 2; macroblock++) {
      out.ue(25);
      noise(out);
    }
  }
}

void Writer::picture(Shape shape, unsigned shown, const Coding &coding) {
  Bytes unit;
  BitWriter delimiter;
  delimiter.bits(7, 3);
  append_nal(unit, {0x09}, delimiter);
  if (coding.idr) {
    parameter_sets(unit);
    frame_num_ = 0;
    counts_ = false;
  } else if (coding.new_frame && std::exchange(counts_, false)) {
    frame_num_ = (frame_num_ + 1) % (1u << kFrameNumBits);
  }
  // The number counts the references before.
  if (coding.new_frame) {
    counts_ = coding.reference;
    stream_.frames++;
  }

  const bool in_pairs = options_.mbaff && shape == Shape::frame;
  const unsigned all = kWidth * kHeight / (in_pairs || shape != Shape::frame ? 2 : 1);
  const bool second = !coding.new_frame;
  const unsigned poc = (2 * shown + (second ? 1 : 0)) % (1u << kPocBits);
  for (unsigned i = 0; i < coding.slices; i++) {
    const Slice slice{shape, all * i / coding.slices, all * (i + 1) / coding.slices, poc};
    BitWriter out;
    header(out, slice, coding);
    if (in_pairs)
      pairs(out, slice);
    else
      macroblocks(out, slice, coding);
    const unsigned importance = coding.reference ? 2 : 0;
    append_nal(unit, {static_cast<std::uint8_t>(importance << 5 | (coding.idr ? 5 : 1))}, out);
  }
  stream_.units.push_back(std::move(unit));
}

Coding idr() {
  Coding coding;
  coding.type = Type::I;
  coding.idr = true;
  return coding;
}
Coding intra() {
  Coding coding;
  coding.type = Type::I;
  return coding;
}
Coding unreferenced(Type type) {
  Coding coding;
  coding.type = type;
  coding.reference = false;
  return coding;
}
Coding with(std::vector<Marking> markings) {
  Coding coding;
  coding.markings = std::move(markings);
  return coding;
}

// More references than frame numbers and picture order counts.
Stream pairs(bool bottom_first) {
  Writer writer(bottom_first ? "bottom-field-first" : "top-field-first", {});
  writer.pair(0, idr(), bottom_first);
  for (unsigned i = 1; i < 40; i++) writer.pair(i, i % 8 == 0 ? intra() : Coding{}, bottom_first);
  return writer.take();
}

Stream frames_and_pairs() {
  Writer writer("frames-and-fields", {});
  writer.picture(Shape::frame, 0, idr());
  for (unsigned i = 1; i < 20; i++) {
    if (i % 3 == 0)
      writer.picture(Shape::frame, i, {});
    else
      writer.pair(i, {});
  }
  return writer.take();
}

Stream adaptive_frames_and_pairs() {
  Writer writer("mbaff-frames-and-fields", {true, 0, 2});
  writer.picture(Shape::frame, 0, idr());
  for (unsigned i = 1; i < 20; i++) {
    if (i % 3 == 0)
      writer.picture(Shape::frame, i, intra());
    else
      writer.pair(i, {});
  }
  return writer.take();
}

// Over the end of the picture order counts' range, too.
Stream reordered() {
  Writer writer("b-fields", {false, 1, 2});
  writer.pair(0, idr());
  for (unsigned i = 2; i < 44; i += 2) {
    writer.pair(i, {});
    if (i % 6 == 0)
      writer.picture(Shape::frame, i - 1, unreferenced(Type::B));
    else
      writer.pair(i - 1, unreferenced(Type::B));
  }
  return writer.take();
}

Stream sliced() {
  Writer writer("slices", {});
  Coding first = idr(), others;
  first.slices = others.slices = 2;
  writer.pair(0, first);
  for (unsigned i = 1; i < 10; i++) writer.pair(i, others);
  return writer.take();
}

Stream unreferenced_pairs() {
  Writer writer("unreferenced-fields", {});
  writer.pair(0, idr());
  for (unsigned i = 1; i < 16; i++) writer.pair(i, i % 2 == 0 ? Coding{} : unreferenced(Type::P));
  return writer.take();
}

// Single fields of frames unmarked, and made long-term references. Operands that count pictures
// begin at the one before, with 0.
Stream marked() {
  Writer writer("marked-fields", {false, 0, 6});
  writer.pair(0, idr());
  writer.pair(1, {});
  writer.pair(2, with({{1, 1}}));             // not the top field of frame 1 any more
  writer.pair(3, with({{1, 2}}));             // nor the bottom field of frame 2
  writer.pair(4, with({{4, 3}, {3, 1, 0}}));  // long-term: first the top field of frame 3 ...
  writer.pair(5, with({{3, 4, 0}}));          // ... then its other
  for (unsigned i = 6; i < 12; i++) writer.pair(i, {});
  writer.pair(12, with({{2, 0}, {1, 9}, {1, 10}}));  // not that any more, nor frame 7
  for (unsigned i = 13; i < 20; i++) writer.pair(i, {});
  return writer.take();
}

// Fields whose second was never sent.
Stream single() {
  Writer writer("single-fields", {});
  writer.pair(0, idr());
  writer.pair(1, {});
  writer.single_field(2, unreferenced(Type::P));
  writer.pair(3, {});
  writer.single_field(4, unreferenced(Type::P));
  writer.picture(Shape::frame, 5, {});
  for (unsigned i = 6; i < 10; i++) writer.pair(i, {});
  return writer.take();
}

// The second field of one frame and the first of another, with what was between them.
Stream lost() {
  Writer writer("lost-fields", {false, 0, 1});
  writer.pair(0, idr());
  writer.single_field(1, unreferenced(Type::P));
  writer.lose_frame();
  writer.single_field(3, unreferenced(Type::P), Shape::bottom);
  writer.pair(0, idr());
  for (unsigned i = 1; i < 4; i++) writer.pair(i, {});
  return writer.take();
}

// A sequence after the other.
Stream twice() {
  Writer writer("second-idr", {});
  for (unsigned begin = 0; begin < 2; begin++) {
    writer.pair(0, idr());
    for (unsigned i = 1; i < 6; i++) writer.pair(i, {});
  }
  return writer.take();
}

}  // namespace

std::vector<Stream> all() {
  return {pairs(false),
          pairs(true),
          frames_and_pairs(),
          adaptive_frames_and_pairs(),
          reordered(),
          sliced(),
          unreferenced_pairs(),
          marked(),
          single(),
          lost(),
          twice()};
}

}  // namespace field_streams
