// SPDX-License-Identifier: LGPL-2.1-or-later
///
/// A number that a picture carries in itself, so that whoever reads the picture knows which frame
/// it is and whether all of it belongs to that frame.
///
/// A mark is 3 rows of 16 blocks, black or white, most significant bit first: the upper 16 bits of
/// the number, the lower 16 bits, a checksum. One mark stands at the top of the luma plane and one
/// at the bottom. Blocks are whole multiples of 16 pixels and lie on a 16-pixel grid, so a codec
/// spends one flat macroblock on each and keeps them at bitrates that ruin everything else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace cudacam::test {

/// Smallest picture that holds both marks.
inline constexpr int kMinMarkedWidth = 256;
inline constexpr int kMinMarkedHeight = 96;

struct LumaPlane {
  uint8_t *data = nullptr;
  ptrdiff_t stride = 0;  // bytes
  int width = 0;         // pixels
  int height = 0;
};

struct ConstLumaPlane {
  const uint8_t *data = nullptr;
  ptrdiff_t stride = 0;
  int width = 0;
  int height = 0;
};

/// What one picture says; an empty value is a mark that is damaged or absent.
struct FrameReading {
  std::optional<uint32_t> top;
  std::optional<uint32_t> bottom;

  /// The frame's number when both marks are intact and agree.
  std::optional<uint32_t> number() const {
    return top && bottom && *top == *bottom ? top : std::nullopt;
  }
};

/// Returns false and leaves the picture alone when it is too small for two marks.
bool draw_frame_number(const LumaPlane &plane, uint32_t number);

FrameReading read_frame_number(const ConstLumaPlane &plane);

/// For those who read the picture where the processor cannot: where the marks are, and what the
/// averages of their blocks mean.
struct MarkGrid {
  int block_width;
  int block_height;
  int top_y;  // of the first row of blocks
  int bottom_y;
};

inline constexpr int kMarkColumns = 16;
inline constexpr int kMarkRows = 3;
inline constexpr int kMarkBlocks = kMarkRows * kMarkColumns;

/// None for a picture that is too small.
std::optional<MarkGrid> mark_grid(int width, int height);

/// Luma averages of the middle quarter of each block, row by row: first the top mark's, then the
/// bottom mark's.
using BlockAverages = std::array<uint8_t, 2 * kMarkBlocks>;
FrameReading read_block_averages(const BlockAverages &averages);

}  // namespace cudacam::test
