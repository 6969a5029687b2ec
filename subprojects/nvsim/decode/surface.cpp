// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/surface.hpp"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/pixfmt.h>
}

#include <algorithm>
#include <cstring>

namespace nvsim::decode {

namespace {

// Where `frame` keeps the row of a plane.
const std::uint8_t *row(const AVFrame &frame, int plane, std::size_t y) {
  return frame.data[plane] + static_cast<std::ptrdiff_t>(y) * frame.linesize[plane];
}

template <typename Sample>
struct Writer {
  unsigned shift;  // moves a sample to the upper bits

  Sample sample(const std::uint8_t *from, std::size_t x) const {
    Sample value;
    std::memcpy(&value, from + x * sizeof value, sizeof value);
    return static_cast<Sample>(value << shift);
  }

  void luma(const std::uint8_t *from, std::uint8_t *to, std::size_t width) const {
    for (std::size_t x = 0; x < width; x++) {
      const Sample value = sample(from, x);
      std::memcpy(to + x * sizeof value, &value, sizeof value);
    }
  }

  void chroma(const std::uint8_t *u, const std::uint8_t *v, std::uint8_t *to,
              std::size_t width) const {
    for (std::size_t x = 0; x < width; x++) {
      const Sample pair[2] = {sample(u, x), sample(v, x)};
      std::memcpy(to + x * sizeof pair, pair, sizeof pair);
    }
  }
};

template <typename Sample>
void store_planes(const AVFrame &frame, std::uint8_t *surface, const Layout &layout,
                  unsigned shift) {
  const Writer<Sample> writer{shift};
  const std::size_t width = std::min<std::size_t>(layout.width, frame.width);
  const std::size_t height = std::min<std::size_t>(layout.height, frame.height);
  for (std::size_t y = 0; y < height; y++)
    writer.luma(row(frame, 0, y), surface + y * layout.pitch, width);
  std::uint8_t *chroma = surface + layout.chroma_offset();
  for (std::size_t y = 0; y < (height + 1) / 2; y++)
    writer.chroma(row(frame, 1, y), row(frame, 2, y), chroma + y * layout.pitch, (width + 1) / 2);
}

}  // namespace

Layout Layout::of(std::size_t width, std::size_t height, unsigned depth) {
  Layout layout;
  layout.width = width;
  layout.height = height;
  layout.bytes_per_sample = depth > 8 ? 2 : 1;
  layout.pitch = pitch_for(layout.row_bytes());
  return layout;
}

void add_reads(std::vector<Access> &accesses, CUdeviceptr surface, const Layout &layout) {
  accesses.push_back(reads(surface, layout.pitch, layout.row_bytes(), layout.height));
  accesses.push_back(reads(surface + layout.chroma_offset(), layout.pitch, layout.row_bytes(),
                           layout.chroma_rows()));
}

void add_writes(std::vector<Access> &accesses, CUdeviceptr surface, const Layout &layout) {
  accesses.push_back(writes(surface, layout.pitch, layout.row_bytes(), layout.height));
  accesses.push_back(writes(surface + layout.chroma_offset(), layout.pitch, layout.row_bytes(),
                            layout.chroma_rows()));
}

bool store(const AVFrame &frame, std::uint8_t *surface, const Layout &layout) {
  switch (frame.format) {
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUVJ420P:
      if (layout.bytes_per_sample != 1) return false;
      store_planes<std::uint8_t>(frame, surface, layout, 0);
      return true;
    case AV_PIX_FMT_YUV420P10LE:
    case AV_PIX_FMT_YUV420P12LE:
      if (layout.bytes_per_sample != 2) return false;
      store_planes<std::uint16_t>(frame, surface, layout,
                                  frame.format == AV_PIX_FMT_YUV420P10LE ? 6 : 4);
      return true;
    default:
      return false;
  }
}

void copy_part(const std::uint8_t *source, const Layout &from, std::size_t left, std::size_t top,
               std::uint8_t *target, const Layout &to) {
  const std::size_t bytes = to.row_bytes();
  for (std::size_t y = 0; y < to.height; y++)
    std::memcpy(target + y * to.pitch,
                source + (y + top) * from.pitch + left * from.bytes_per_sample, bytes);
  source += from.chroma_offset();
  target += to.chroma_offset();
  for (std::size_t y = 0; y < to.chroma_rows(); y++)
    std::memcpy(target + y * to.pitch,
                source + (y + top / 2) * from.pitch + left / 2 * 2 * from.bytes_per_sample, bytes);
}

}  // namespace nvsim::decode
