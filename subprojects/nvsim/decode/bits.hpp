// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bits of an H.264 or H.265 NAL unit: reading syntax elements, writing them, and Annex B framing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nvsim::decode {

using Bytes = std::vector<std::uint8_t>;

// A view of bytes owned by somebody else.
struct Span {
  const std::uint8_t *data = nullptr;
  std::size_t size = 0;
};

// The payload of a NAL unit without its emulation prevention bytes.
Bytes unescape(Span payload);

// Appends `rbsp` to `out` with emulation prevention bytes put in.
void append_escaped(Bytes &out, const Bytes &rbsp);

class BitReader {
 public:
  explicit BitReader(const Bytes &rbsp) : bytes_(rbsp) {}

  bool flag() { return bits(1) != 0; }
  std::uint32_t bits(unsigned count);
  std::uint32_t ue();
  std::int32_t se();
  void skip(std::size_t count) { position_ += count; }

  std::size_t position() const { return position_; }
  // Bits left before the stop bit; 0 past the end.
  std::size_t left() const;
  // More was read than there is: the values after that are zeros.
  bool overrun() const { return position_ > bytes_.size() * 8; }

 private:
  const Bytes &bytes_;
  std::size_t position_ = 0;
};

class BitWriter {
 public:
  void flag(bool value) { bits(value, 1); }
  void bits(std::uint32_t value, unsigned count);
  void ue(std::uint32_t value);
  void se(std::int32_t value);
  // A one, then zeros up to the next byte.
  void stop();
  bool aligned() const { return used_ % 8 == 0; }

  const Bytes &bytes() const { return bytes_; }
  std::size_t size_in_bits() const { return used_; }

 private:
  Bytes bytes_;
  std::size_t used_ = 0;
};

// Walks the NAL units of an Annex B byte stream:  Span nal; while (units.next(nal)) …
class AnnexB {
 public:
  explicit AnnexB(Span stream) : stream_(stream) {}
  // `nal` is without start code and trailing zeros.
  bool next(Span &nal);

 private:
  Span stream_;
  std::size_t position_ = 0;
};

// Offset of the next 00 00 01 at or after `from`; `size` when there is none.
std::size_t find_start_code(Span stream, std::size_t from);

// Appends start code, `header` and the escaped content of `writer`, whose stop bit this writes.
void append_nal(Bytes &out, const Bytes &header, BitWriter &writer);

}  // namespace nvsim::decode
