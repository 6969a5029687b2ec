// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A 4:2:0 picture in device memory: rows of luma, then rows of interleaved chroma (NV12, or P016
// with the sample in the upper bits).
#pragma once

#include <cstdint>
#include <vector>

#include "driver/seam.hpp"

struct AVFrame;

namespace nvsim::decode {

struct Layout {
  std::size_t width = 0, height = 0;  // luma samples
  std::size_t bytes_per_sample = 1;
  std::size_t pitch = 0;

  static Layout of(std::size_t width, std::size_t height, unsigned depth);
  std::size_t row_bytes() const { return (width + 1) / 2 * 2 * bytes_per_sample; }
  std::size_t chroma_rows() const { return (height + 1) / 2; }
  std::size_t chroma_offset() const { return pitch * height; }
  std::size_t size() const { return pitch * (height + chroma_rows()); }
};

// The two planes, as accesses of a Work.
void add_reads(std::vector<Access> &accesses, CUdeviceptr surface, const Layout &layout);
void add_writes(std::vector<Access> &accesses, CUdeviceptr surface, const Layout &layout);

// Writes a decoded frame of the host. False for a pixel format that no surface takes.
bool store(const AVFrame &frame, std::uint8_t *surface, const Layout &layout);

// Copies the part of `from` that begins at (left, top) and has the size of `to`.
void copy_part(const std::uint8_t *source, const Layout &from, std::size_t left, std::size_t top,
               std::uint8_t *target, const Layout &to);

}  // namespace nvsim::decode
