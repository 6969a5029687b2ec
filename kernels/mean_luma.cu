// SPDX-License-Identifier: LGPL-2.1-or-later
/// The kernel of pipelines/examples/mean-luma.cpp: sums the columns of a plane of bytes. Threads
/// beside each other read bytes beside each other.

extern "C" __global__ void sum_columns(const unsigned char *plane, unsigned pitch, unsigned width,
                                       unsigned rows, unsigned *sums) {
  const unsigned x = blockIdx.x * blockDim.x + threadIdx.x;
  if (x >= width) return;
  unsigned sum = 0;
  for (unsigned y = 0; y < rows; ++y) sum += plane[static_cast<unsigned long long>(y) * pitch + x];
  sums[x] = sum;
}
