// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame-number.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace cudacam::test {
namespace {

constexpr int kGrid = 16;
constexpr int kColumns = 16;
constexpr int kRows = 3;
constexpr uint8_t kBlack = 16;
constexpr uint8_t kWhite = 235;
// Block averages between these limits are neither black nor white.
constexpr int kDarkest = 80;
constexpr int kBrightest = 170;

using MarkRows = std::array<uint16_t, kRows>;

// CRC-16/CCITT-FALSE; its start value makes the all-black and the all-white mark invalid.
uint16_t checksum(uint32_t number) {
  uint16_t crc = 0xffff;
  for (int shift = 24; shift >= 0; shift -= 8) {
    crc = static_cast<uint16_t>(crc ^ (((number >> shift) & 0xff) << 8));
    for (int bit = 0; bit < 8; ++bit)
      crc = static_cast<uint16_t>(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
  }
  return crc;
}

int round_to_grid(int value) {
  return std::max(kGrid, value / kGrid * kGrid);
}

struct MarkLayout {
  int block_width;
  int block_height;
  int top_y;
  int bottom_y;
};

std::optional<MarkLayout> layout_for(int width, int height) {
  if (width < kMinMarkedWidth || height < kMinMarkedHeight) return std::nullopt;
  MarkLayout layout;
  layout.block_width = round_to_grid(width / kColumns);
  layout.block_height = round_to_grid(height / 24);
  layout.top_y = 0;
  layout.bottom_y = (height - kRows * layout.block_height) / kGrid * kGrid;
  return layout;
}

void draw_mark(const LumaPlane &plane, const MarkLayout &layout, int y, const MarkRows &rows) {
  for (int row = 0; row < kRows; ++row) {
    uint8_t *line = plane.data + plane.stride * (y + row * layout.block_height);
    for (int column = 0; column < kColumns; ++column) {
      const bool set = rows[row] >> (kColumns - 1 - column) & 1;
      std::memset(line + column * layout.block_width, set ? kWhite : kBlack, layout.block_width);
    }
    for (int i = 1; i < layout.block_height; ++i)
      std::memcpy(line + plane.stride * i, line, kColumns * layout.block_width);
  }
}

// The average of the middle quarter: what lies at the edges suffers most from coding.
int block_average(const ConstLumaPlane &plane, const MarkLayout &layout, int x, int y) {
  const int width = layout.block_width / 2;
  const int height = layout.block_height / 2;
  int sum = 0;
  for (int i = 0; i < height; ++i) {
    const uint8_t *line = plane.data + plane.stride * (y + height / 2 + i) + x + width / 2;
    for (int j = 0; j < width; ++j) sum += line[j];
  }
  return sum / (width * height);
}

std::optional<uint32_t> read_mark(const ConstLumaPlane &plane, const MarkLayout &layout, int y) {
  MarkRows rows{};
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      const int average =
          block_average(plane, layout, column * layout.block_width, y + row * layout.block_height);
      if (average > kDarkest && average < kBrightest) return std::nullopt;
      rows[row] = static_cast<uint16_t>(rows[row] << 1 | (average >= kBrightest));
    }
  }
  const uint32_t number = static_cast<uint32_t>(rows[0]) << 16 | rows[1];
  if (checksum(number) != rows[2]) return std::nullopt;
  return number;
}

}  // namespace

bool draw_frame_number(const LumaPlane &plane, uint32_t number) {
  const auto layout = layout_for(plane.width, plane.height);
  if (!layout) return false;
  const MarkRows rows{static_cast<uint16_t>(number >> 16), static_cast<uint16_t>(number),
                      checksum(number)};
  draw_mark(plane, *layout, layout->top_y, rows);
  draw_mark(plane, *layout, layout->bottom_y, rows);
  return true;
}

FrameReading read_frame_number(const ConstLumaPlane &plane) {
  const auto layout = layout_for(plane.width, plane.height);
  if (!layout) return {};
  return {read_mark(plane, *layout, layout->top_y), read_mark(plane, *layout, layout->bottom_y)};
}

}  // namespace cudacam::test
