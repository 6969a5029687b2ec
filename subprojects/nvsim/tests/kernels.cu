// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Kernels for the test of launches: CUDA C++ as nvcc takes it.

struct CopyJob {
  const unsigned char *source;
  unsigned char *target;
  unsigned long source_pitch, target_pitch;
  unsigned width, height;
};

extern "C" __global__ void copy_rectangle(CopyJob job) {
  const unsigned x = blockIdx.x * blockDim.x + threadIdx.x;
  const unsigned y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x < job.width && y < job.height)
    job.target[y * job.target_pitch + x] = job.source[y * job.source_pitch + x];
}

extern "C" __global__ void fill_to_the_end(unsigned char *target, unsigned char value,
                                           unsigned count) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) target[i] = value;
}

extern "C" __global__ void fill_rows(unsigned char *target, unsigned long pitch, unsigned width,
                                     unsigned height) {
  const unsigned x = blockIdx.x * blockDim.x + threadIdx.x;
  if (x < width)
    for (unsigned y = 0; y < height; ++y) target[y * pitch + x] = 1;
}

extern "C" __global__ void overrun(unsigned char *target, unsigned long offset) {
  target[offset] = 1;
}

struct Hidden {
  unsigned char *pointer;
};

extern "C" __global__ void follow_hidden_pointer(Hidden hidden) {
  *hidden.pointer = 1;
}
