// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the soak's readers do with a frame on the GPU: CUDA C++ for nvcc, and for the simulated GPU
// by way of examine-host.cpp.
#include "picture-sum.h"

// Each thread goes down this many rows; those of a warp read side by side.
constexpr unsigned kRowsPerThread = 64;

// blockIdx.x, threadIdx.x: the word within a row; blockIdx.y: which rows.
extern "C" __global__ void add_plane(const unsigned char *plane, unsigned long pitch,
                                     unsigned row_bytes, unsigned rows, unsigned number,
                                     unsigned long long *sum) {
  const unsigned column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column * 4 >= row_bytes) return;
  unsigned long long part = 0;
  const unsigned first = blockIdx.y * kRowsPerThread;
  for (unsigned row = first; row < rows && row < first + kRowsPerThread; ++row) {
    const unsigned char *line = plane + row * pitch;
    // Device memory is aligned to more than 4 bytes, and so are its rows.
    const unsigned word = column * 4 + 4 <= row_bytes
                              ? reinterpret_cast<const unsigned *>(line)[column]
                              : word_of_row(line, column, row_bytes);
    part += weighed_word(word, number, row, column);
  }
  atomicAdd(sum, part);
}

// One thread for each of the 96 blocks of both marks; see support/frame-number.hpp.
extern "C" __global__ void average_blocks(const unsigned char *luma, unsigned long pitch,
                                          unsigned block_width, unsigned block_height,
                                          unsigned top_y, unsigned bottom_y,
                                          unsigned char *averages) {
  constexpr unsigned columns = 16, blocks = 48;
  const unsigned i = threadIdx.x;
  const unsigned width = block_width / 2, height = block_height / 2;
  const unsigned x = i % columns * block_width + width / 2;
  const unsigned y =
      (i < blocks ? top_y : bottom_y) + i % blocks / columns * block_height + height / 2;
  unsigned sum = 0;
  for (unsigned row = y; row < y + height; ++row)
    for (unsigned column = x; column < x + width; ++column) sum += luma[row * pitch + column];
  averages[i] = static_cast<unsigned char>(sum / (width * height));
}
