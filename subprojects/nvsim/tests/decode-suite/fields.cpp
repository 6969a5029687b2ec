// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Field pictures against libavcodec, frame by frame.
extern "C" {
#include <libavcodec/avcodec.h>
}

#include <memory>
#include <set>
#include <utility>

#include "tests/decode-suite/field_streams.hpp"
#include "tests/decode-suite/player.hpp"

namespace {

using field_streams::Stream;
using player::Bytes;
using player::Player;

constexpr std::size_t kSize = 64;  // width and height

// Luma and the two kinds of chroma, interleaved as in NV12, without padding.
struct Frame {
  Bytes rows;
  bool top_first = false, single = false;
};

Frame frame_of(const AVFrame &decoded) {
  CHECK_EQUAL(decoded.width, static_cast<int>(kSize));
  CHECK_EQUAL(decoded.height, static_cast<int>(kSize));
  CHECK_EQUAL(decoded.decode_error_flags, 0);
  Frame frame;
  for (std::size_t y = 0; y < kSize; y++) {
    const auto *row = decoded.data[0] + y * decoded.linesize[0];
    frame.rows.insert(frame.rows.end(), row, row + kSize);
  }
  for (std::size_t y = 0; y < kSize / 2; y++)
    for (std::size_t x = 0; x < kSize / 2; x++)
      for (const int plane : {1, 2})
        frame.rows.push_back(decoded.data[plane][y * decoded.linesize[plane] + x]);
  return frame;
}

std::vector<Frame> decode_with_libavcodec(const Stream &stream) {
  struct Free {
    void operator()(AVCodecContext *codec) const { avcodec_free_context(&codec); }
    void operator()(AVPacket *packet) const { av_packet_free(&packet); }
    void operator()(AVFrame *frame) const { av_frame_free(&frame); }
  };
  const AVCodec *implementation = avcodec_find_decoder_by_name("h264");
  const std::unique_ptr<AVCodecContext, Free> codec(avcodec_alloc_context3(implementation));
  const std::unique_ptr<AVPacket, Free> packet(av_packet_alloc());
  const std::unique_ptr<AVFrame, Free> decoded(av_frame_alloc());
  codec->thread_count = 1;
  codec->log_level_offset = 64;  // it warns of the field that it unmarks and has unmarked before
  CHECK_EQUAL(avcodec_open2(codec.get(), implementation, nullptr), 0);
  std::vector<Frame> frames;
  const auto send = [&](AVPacket *next) {
    CHECK_EQUAL(avcodec_send_packet(codec.get(), next), 0);
    while (avcodec_receive_frame(codec.get(), decoded.get()) == 0)
      frames.push_back(frame_of(*decoded));
  };
  for (const auto &unit : stream.units) {
    CHECK_EQUAL(av_new_packet(packet.get(), static_cast<int>(unit.size())), 0);
    std::copy(unit.begin(), unit.end(), packet->data);
    send(packet.get());
    av_packet_unref(packet.get());
  }
  send(nullptr);
  return frames;
}

Frame show(Player &player, const CUVIDPARSERDISPINFO &info) {
  Frame frame;
  frame.top_first = info.top_field_first;
  frame.single = info.repeat_first_field < 0;
  CUdeviceptr address = 0;
  CHECK_OK(player.map(info.picture_index, nullptr, address));
  Bytes padded(player.pitch * kSize * 3 / 2);
  CHECK_OK(cuMemcpyDtoH(padded.data(), address, padded.size()));
  CHECK_OK(player.unmap(address));
  for (std::size_t y = 0; y < kSize * 3 / 2; y++)
    frame.rows.insert(frame.rows.end(), padded.begin() + y * player.pitch,
                      padded.begin() + y * player.pitch + kSize);
  CUVIDGETDECODESTATUS status{};
  CHECK_OK(CUVID(cuvidGetDecodeStatus)(player.decoder, info.picture_index, &status));
  CHECK_EQUAL(status.decodeStatus, cuvidDecodeStatus_Success);
  return frame;
}

Stream stream_named(const std::string &name) {
  for (Stream &stream : field_streams::all())
    if (stream.name == name) return std::move(stream);
  harness::fail(__FILE__, __LINE__, "there is a stream " + name);
}

Bytes joined(const Stream &stream) {
  Bytes all;
  for (const auto &unit : stream.units) all.insert(all.end(), unit.begin(), unit.end());
  return all;
}
// How the stream comes to the parser.
enum class Packets { whole_stream, marked_units, chunks };

std::vector<Frame> decode_with_nvsim(const Stream &stream, Packets packets) {
  const Bytes all = joined(stream);
  Player player(all);
  std::vector<Frame> frames;
  player.on_display = [&](const CUVIDPARSERDISPINFO &info) {
    CHECK(!info.progressive_frame);
    frames.push_back(show(player, info));
  };
  if (packets == Packets::marked_units)
    for (const auto &unit : stream.units) player.feed(unit, CUVID_PKT_ENDOFPICTURE);
  if (packets == Packets::chunks) {
    constexpr std::size_t kChunk = 999;
    for (std::size_t at = 0; at < all.size(); at += kChunk)
      player.feed({all.begin() + at, all.begin() + std::min(at + kChunk, all.size())}, 0);
  }
  if (packets == Packets::whole_stream)
    player.play();
  else
    player.feed({}, CUVID_PKT_ENDOFSTREAM);
  CHECK_EQUAL(player.decoded, stream.units.size());
  CHECK_OK(player.destroy());
  CHECK_OK(CUVID(cuvidDestroyVideoParser)(player.parser));
  return frames;
}

void expect_libavcodecs_frames(const std::string &name) {
  harness::start();
  const Stream stream = stream_named(name);
  // libavcodec shows no field without a second.
  const auto expected = decode_with_libavcodec(stream);
  CHECK_EQUAL(expected.size(), stream.frames - stream.single_fields);
  for (const Packets packets : {Packets::whole_stream, Packets::marked_units, Packets::chunks}) {
    const auto frames = decode_with_nvsim(stream, packets);
    CHECK_EQUAL(frames.size(), stream.frames);
    std::size_t paired = 0;
    for (const Frame &frame : frames) {
      if (frame.single) continue;
      CHECK_EQUAL(frame.top_first, name != "bottom-field-first");
      if (frame.rows != expected.at(paired).rows)
        harness::fail(__FILE__, __LINE__,
                      "frame " + std::to_string(paired) + " is as libavcodec has it");
      paired++;
    }
    CHECK_EQUAL(paired, expected.size());
  }
  CHECK_EQUAL(nvsim_violations(), 0u);
}

// The references that the parser tells of with each picture, as NUMBER:FIELDS in words, fields as
// the bits of CUVIDH264DPBENTRY and L for long-term.
std::vector<std::string> references_told(const Stream &stream) {
  Player player(joined(stream));
  std::vector<std::string> all;
  player.on_decode = [&](const CUVIDPICPARAMS &picture) {
    std::set<std::string> words;
    for (const CUVIDH264DPBENTRY &entry : picture.CodecSpecific.h264.dpb)
      if (entry.PicIdx >= 0 && entry.used_for_reference != 0)
        words.insert((entry.is_long_term ? "L" : "") + std::to_string(entry.FrameIdx) + ":" +
                     std::to_string(entry.used_for_reference));
    std::string text;
    for (const std::string &word : words) text += (text.empty() ? "" : " ") + word;
    all.push_back(text);
  };
  player.play();
  return all;
}

void expect_references(const std::string &told, const std::string &expected) {
  if (told != expected) harness::fail(__FILE__, __LINE__, told + " should be " + expected);
}

}  // namespace

TEST(pairs_of_fields) {
  expect_libavcodecs_frames("top-field-first");
}
TEST(pairs_with_the_bottom_field_first) {
  expect_libavcodecs_frames("bottom-field-first");
}
TEST(frames_between_fields) {
  expect_libavcodecs_frames("frames-and-fields");
}
TEST(adaptive_frames_between_fields) {
  expect_libavcodecs_frames("mbaff-frames-and-fields");
}
TEST(b_fields_are_shown_in_order) {
  expect_libavcodecs_frames("b-fields");
}
TEST(fields_in_slices) {
  expect_libavcodecs_frames("slices");
}
TEST(fields_that_are_no_references) {
  expect_libavcodecs_frames("unreferenced-fields");
}
TEST(references_marked_field_by_field) {
  expect_libavcodecs_frames("marked-fields");
}
TEST(marking_is_told_field_by_field) {
  harness::start();
  const auto told = references_told(stream_named("marked-fields"));
  CHECK_EQUAL(told.size(), 40u);
  expect_references(told.at(1), "0:1");
  expect_references(told.at(12), "0:3 1:2 2:1 4:3 5:3 L0:3");
  expect_references(told.at(13), "1:2 2:1 4:3 5:3 6:1 L0:3");  // the oldest made room
  expect_references(told.at(26), "10:3 11:3 12:3 8:3 9:3 L0:1");
}
TEST(fields_without_a_second) {
  expect_libavcodecs_frames("single-fields");
}
TEST(fields_of_two_sequences) {
  expect_libavcodecs_frames("second-idr");
}
