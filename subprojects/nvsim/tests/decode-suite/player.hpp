// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A program that decodes H.264, as small as can be: the parser's callbacks call the decoder.
#pragma once

#include <cuda.h>
#include <ffnvcodec/dynlink_cuviddec.h>
#include <ffnvcodec/dynlink_nvcuvid.h>

#include <functional>
#include <vector>

#include "tests/harness.hpp"

namespace player {

// A function of libnvcuvid.so.1.
void *look_up(const char *name);
#define CUVID(NAME) reinterpret_cast<t##NAME *>(player::look_up(#NAME))

using Bytes = std::vector<unsigned char>;

// Of traces/streams.
Bytes read_stream(const char *file);

class Player {
 public:
  explicit Player(const char *file = "bframes.h264") : Player(read_stream(file)) {}
  explicit Player(Bytes stream);

  // All of the stream, to its end; the pictures are not mapped.
  void play() { feed(bytes_, CUVID_PKT_ENDOFSTREAM); }
  void feed(const Bytes &bytes, unsigned long flags);

  CUresult map(int index, CUstream stream, CUdeviceptr &address);
  CUresult unmap(CUdeviceptr address) { return CUVID(cuvidUnmapVideoFrame64)(decoder, address); }
  CUresult destroy() { return CUVID(cuvidDestroyDecoder)(decoder); }

  CUvideoparser parser = nullptr;
  CUvideodecoder decoder = nullptr;
  CUVIDDECODECREATEINFO info{};
  CUresult last_result = CUDA_SUCCESS;
  unsigned pitch = 0;
  int decoded = 0;
  std::vector<int> shown;  // surfaces
  std::function<void(CUVIDDECODECREATEINFO &)> on_create;
  std::function<void(const CUVIDPICPARAMS &)> on_decode;
  std::function<void(const CUVIDPARSERDISPINFO &)> on_display;

 private:
  int create(const CUVIDEOFORMAT &format);

  const Bytes bytes_;
};

}  // namespace player
