// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/bits.hpp"

#include <algorithm>

namespace nvsim::decode {

Bytes unescape(Span payload) {
  Bytes out;
  out.reserve(payload.size);
  unsigned zeros = 0;
  for (std::size_t i = 0; i < payload.size; i++) {
    const std::uint8_t byte = payload.data[i];
    if (zeros >= 2 && byte == 3) {
      zeros = 0;
      continue;
    }
    zeros = byte == 0 ? zeros + 1 : 0;
    out.push_back(byte);
  }
  return out;
}

void append_escaped(Bytes &out, const Bytes &rbsp) {
  unsigned zeros = 0;
  for (const std::uint8_t byte : rbsp) {
    if (zeros >= 2 && byte <= 3) {
      out.push_back(3);
      zeros = 0;
    }
    zeros = byte == 0 ? zeros + 1 : 0;
    out.push_back(byte);
  }
}

std::uint32_t BitReader::bits(unsigned count) {
  std::uint32_t value = 0;
  for (; count > 0; count--, position_++) {
    const std::size_t byte = position_ / 8;
    const unsigned bit = byte < bytes_.size() ? bytes_[byte] >> (7 - position_ % 8) & 1 : 0;
    value = value << 1 | bit;
  }
  return value;
}

std::uint32_t BitReader::ue() {
  unsigned zeros = 0;
  while (zeros < 32 && !overrun() && !flag()) zeros++;
  if (zeros >= 32 || overrun()) return 0;
  return (1u << zeros) - 1 + bits(zeros);
}

std::int32_t BitReader::se() {
  const std::uint32_t code = ue();
  const auto magnitude = static_cast<std::int32_t>((code + 1) / 2);
  return code % 2 == 1 ? magnitude : -magnitude;
}

std::size_t BitReader::left() const {
  std::size_t last = bytes_.size();
  while (last > 0 && bytes_[last - 1] == 0) last--;
  if (last == 0) return 0;
  std::size_t end = last * 8 - 1;
  for (std::uint8_t byte = bytes_[last - 1]; byte % 2 == 0; byte >>= 1) end--;
  return end > position_ ? end - position_ : 0;
}

void BitWriter::bits(std::uint32_t value, unsigned count) {
  while (count-- > 0) {
    if (used_ % 8 == 0) bytes_.push_back(0);
    bytes_.back() |= static_cast<std::uint8_t>((value >> count & 1) << (7 - used_ % 8));
    used_++;
  }
}

void BitWriter::ue(std::uint32_t value) {
  unsigned length = 0;
  while ((value + 1) >> length > 1) length++;
  bits(0, length);
  bits(value + 1, length + 1);
}

void BitWriter::se(std::int32_t value) {
  ue(value > 0 ? 2 * static_cast<std::uint32_t>(value) - 1
               : 2 * static_cast<std::uint32_t>(-value));
}

void BitWriter::stop() {
  flag(true);
  while (!aligned()) flag(false);
}

std::size_t find_start_code(Span stream, std::size_t from) {
  static constexpr std::uint8_t kCode[] = {0, 0, 1};
  const std::uint8_t *end = stream.data + stream.size;
  if (from >= stream.size) return stream.size;
  return static_cast<std::size_t>(
      std::search(stream.data + from, end, std::begin(kCode), std::end(kCode)) - stream.data);
}

bool AnnexB::next(Span &nal) {
  const std::size_t code = find_start_code(stream_, position_);
  if (code == stream_.size) return false;
  const std::size_t begin = code + 3;
  position_ = find_start_code(stream_, begin);
  std::size_t end = position_;
  while (end > begin && stream_.data[end - 1] == 0) end--;
  nal = {stream_.data + begin, end - begin};
  return true;
}

void append_nal(Bytes &out, const Bytes &header, BitWriter &writer) {
  writer.stop();
  out.insert(out.end(), {0, 0, 0, 1});
  out.insert(out.end(), header.begin(), header.end());
  append_escaped(out, writer.bytes());
}

}  // namespace nvsim::decode
