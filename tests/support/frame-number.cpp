// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame-number.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace cudacam::test {
namespace {

constexpr int kGrid = 16;
constexpr uint8_t kBlack = 16;
constexpr uint8_t kWhite = 235;
// Block averages between these limits are neither black nor white.
constexpr int kDarkest = 80;
constexpr int kBrightest = 170;

using MarkRows = std::array<uint16_t, kMarkRows>;

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

void draw_mark(const LumaPlane &plane, const MarkGrid &grid, int y, const MarkRows &rows) {
  for (int row = 0; row < kMarkRows; ++row) {
    uint8_t *line = plane.data + plane.stride * (y + row * grid.block_height);
    for (int column = 0; column < kMarkColumns; ++column) {
      const bool set = rows[row] >> (kMarkColumns - 1 - column) & 1;
      std::memset(line + column * grid.block_width, set ? kWhite : kBlack, grid.block_width);
    }
    for (int i = 1; i < grid.block_height; ++i)
      std::memcpy(line + plane.stride * i, line, kMarkColumns * grid.block_width);
  }
}

// The middle quarter: what lies at the edges suffers most from coding.
uint8_t block_average(const ConstLumaPlane &plane, const MarkGrid &grid, int x, int y) {
  const int width = grid.block_width / 2;
  const int height = grid.block_height / 2;
  int sum = 0;
  for (int i = 0; i < height; ++i) {
    const uint8_t *line = plane.data + plane.stride * (y + height / 2 + i) + x + width / 2;
    for (int j = 0; j < width; ++j) sum += line[j];
  }
  return static_cast<uint8_t>(sum / (width * height));
}

std::optional<uint32_t> read_mark(const uint8_t *averages) {
  MarkRows rows{};
  for (int row = 0; row < kMarkRows; ++row) {
    for (int column = 0; column < kMarkColumns; ++column) {
      const int average = averages[row * kMarkColumns + column];
      if (average > kDarkest && average < kBrightest) return std::nullopt;
      rows[row] = static_cast<uint16_t>(rows[row] << 1 | (average >= kBrightest));
    }
  }
  const uint32_t number = static_cast<uint32_t>(rows[0]) << 16 | rows[1];
  if (checksum(number) != rows[2]) return std::nullopt;
  return number;
}

}  // namespace

std::optional<MarkGrid> mark_grid(int width, int height) {
  if (width < kMinMarkedWidth || height < kMinMarkedHeight) return std::nullopt;
  MarkGrid grid;
  grid.block_width = round_to_grid(width / kMarkColumns);
  grid.block_height = round_to_grid(height / 24);
  grid.top_y = 0;
  grid.bottom_y = (height - kMarkRows * grid.block_height) / kGrid * kGrid;
  return grid;
}

bool draw_frame_number(const LumaPlane &plane, uint32_t number) {
  const auto grid = mark_grid(plane.width, plane.height);
  if (!grid) return false;
  const MarkRows rows{static_cast<uint16_t>(number >> 16), static_cast<uint16_t>(number),
                      checksum(number)};
  draw_mark(plane, *grid, grid->top_y, rows);
  draw_mark(plane, *grid, grid->bottom_y, rows);
  return true;
}

FrameReading read_block_averages(const BlockAverages &averages) {
  return {read_mark(averages.data()), read_mark(averages.data() + kMarkBlocks)};
}

FrameReading read_frame_number(const ConstLumaPlane &plane) {
  const auto grid = mark_grid(plane.width, plane.height);
  if (!grid) return {};
  BlockAverages averages;
  for (int i = 0; i < 2 * kMarkBlocks; ++i) {
    const int block = i % kMarkBlocks;
    averages[static_cast<size_t>(i)] =
        block_average(plane, *grid, block % kMarkColumns * grid->block_width,
                      (i < kMarkBlocks ? grid->top_y : grid->bottom_y) +
                          block / kMarkColumns * grid->block_height);
  }
  return read_block_averages(averages);
}

}  // namespace cudacam::test
