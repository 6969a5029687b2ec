// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/parser.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "decode/sequence.hpp"

namespace nvsim::decode {

namespace {
constexpr std::int64_t kDefaultClock = 10000000;
}

Parser::Parser(const CUVIDPARSERPARAMS &params)
    : params_(params),
      surfaces_(params.ulMaxNumDecodeSurfaces),
      timestamps_(params.ulClockRate > 0 ? params.ulClockRate : kDefaultClock),
      display_(params.ulMaxDisplayDelay, surfaces_, timestamps_,
               [this](const Picture &picture) { return show(picture); }) {
}

void Parser::parse(const CUVIDSOURCEDATAPACKET &packet) {
  if (refused_) return;
  packet_after_gap_ = (packet.flags & CUVID_PKT_DISCONTINUITY) != 0;
  const bool has_pts = (packet.flags & CUVID_PKT_TIMESTAMP) != 0;
  if (packet.payload_size > 0) {
    timestamps_.packet(position_ + unparsed_.size(), has_pts, packet.timestamp, packet_after_gap_);
    split({packet.payload, packet.payload_size}, (packet.flags & CUVID_PKT_ENDOFPICTURE) != 0);
  }
  if ((packet.flags & CUVID_PKT_ENDOFSTREAM) != 0) {
    split({}, true);
    end_stream();
    display_.show_all();
    timestamps_.end_of_stream();
    has_format_ = false;
    if ((packet.flags & CUVID_PKT_NOTIFY_EOS) != 0 && params_.pfnDisplayPicture != nullptr)
      params_.pfnDisplayPicture(params_.pUserData, nullptr);
  }
}

// Takes NAL units off the front of the stream as far as they are known to be complete.
void Parser::split(Span data, bool complete) {
  unparsed_.insert(unparsed_.end(), data.data, data.data + data.size);
  const Bytes bytes = std::exchange(unparsed_, Bytes());
  const Span stream{bytes.data(), bytes.size()};
  std::size_t code = find_start_code(stream, 0);
  while (code < stream.size) {
    const std::size_t next = find_start_code(stream, code + 3);
    if (next == stream.size && !complete) break;
    std::size_t end = next;
    while (end > code + 3 && stream.data[end - 1] == 0) end--;
    if (end > code + 3) nal_unit({stream.data + code + 3, end - code - 3}, position_ + code);
    zeros_before_ = next - end;
    code = next;
  }
  // Without a start code the last bytes may be the beginning of one.
  if (code == stream.size && !complete && stream.size > 0) code -= std::min<std::size_t>(3, code);
  if (!complete) unparsed_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(code), bytes.end());
  position_ += bytes.size() - unparsed_.size();
  if (complete && picture_open()) end_picture();
}

bool Parser::announce(const CUVIDEOFORMAT &format) {
  if (refused_) return false;
  if (has_format_ && std::memcmp(&format, &format_, sizeof format) == 0) return true;
  // The program will end its decoder: what it holds has to be shown before.
  display_.show_all();
  CUVIDEOFORMAT copy = format;
  const int surfaces = params_.pfnSequenceCallback == nullptr
                           ? 1
                           : params_.pfnSequenceCallback(params_.pUserData, &copy);
  if (surfaces <= 0) {
    refused_ = true;
    return false;
  }
  format_ = format;
  has_format_ = true;
  timestamps_.set_frame_rate(format.frame_rate.numerator, format.frame_rate.denominator);
  surfaces_.resize(surfaces > 1 ? static_cast<unsigned>(surfaces) : params_.ulMaxNumDecodeSurfaces);
  return true;
}

PicturePtr Parser::new_picture(std::uint64_t position) {
  PicturePtr picture = packet_after_gap_ ? nullptr : surfaces_.acquire();
  while (picture == nullptr && !packet_after_gap_ && display_.show_one())
    picture = surfaces_.acquire();
  if (picture == nullptr) {
    picture = std::make_shared<Picture>();
    picture->skipped = true;
  }
  timestamps_.picture_begins(*picture, position);
  return picture;
}

void Parser::add_slice(Span nal) {
  // Zeros between two slices of a picture are given to the first, measured.
  if (slices_collected()) slices_.insert(slices_.end(), zeros_before_, 0);
  slice_offsets_.push_back(static_cast<unsigned>(slices_.size()));
  slices_.insert(slices_.end(), {0, 0, 1});
  slices_.insert(slices_.end(), nal.data, nal.data + nal.size);
}

void Parser::decode(CUVIDPICPARAMS &params, const PicturePtr &picture, bool second_field) {
  const Bytes slices = std::exchange(slices_, Bytes());
  const std::vector<unsigned> offsets = std::exchange(slice_offsets_, {});
  if (picture->skipped) return;
  params.CurrPicIdx = picture->surface;
  params.nBitstreamDataLen = static_cast<unsigned>(slices.size());
  params.pBitstreamData = slices.data();
  params.nNumSlices = static_cast<unsigned>(offsets.size());
  params.pSliceDataOffsets = offsets.data();
  picture->decoded_as = ++decoded_;
  if (!second_field) timestamps_.picture_decoded(picture);
  if (params_.pfnDecodePicture != nullptr &&
      params_.pfnDecodePicture(params_.pUserData, &params) == 0)
    picture->skipped = true;
}

void Parser::show(const Picture &picture) {
  if (params_.pfnDisplayPicture == nullptr) return;
  CUVIDPARSERDISPINFO info{};
  info.picture_index = picture.surface;
  info.progressive_frame = picture.progressive;
  info.top_field_first = picture.top_first;
  info.repeat_first_field = picture.repeat_first_field;
  info.timestamp = picture.pts;
  params_.pfnDisplayPicture(params_.pUserData, &info);
}

void describe(CUVIDEOFORMAT &format, const VideoUsability &vui) {
  const int width = format.display_area.right - format.display_area.left;
  const int height = format.display_area.bottom - format.display_area.top;
  const long wide = static_cast<long>(width) * std::max(1u, vui.aspect_width);
  const long high = static_cast<long>(height) * std::max(1u, vui.aspect_height);
  const long divisor = std::max(1l, std::gcd(wide, high));
  format.display_aspect_ratio = {static_cast<int>(wide / divisor),
                                 static_cast<int>(high / divisor)};
  auto &signal = format.video_signal_description;
  signal.video_format = vui.video_format & 7;
  signal.video_full_range_flag = vui.full_range;
  signal.color_primaries = static_cast<unsigned char>(vui.primaries);
  signal.transfer_characteristics = static_cast<unsigned char>(vui.transfer);
  signal.matrix_coefficients = static_cast<unsigned char>(vui.matrix);
}

}  // namespace nvsim::decode
