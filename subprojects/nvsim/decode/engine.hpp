// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the hardware does with one coded picture: reads its references, writes its surface. Runs on
// the worker of the decoder's engine stream and may outlive the decoder by the work submitted.
#pragma once

#include <atomic>
#include <vector>

#include "decode/bits.hpp"
#include "decode/h265_rebuild.hpp"
#include "decode/nvdec_types.hpp"
#include "decode/software_decoder.hpp"
#include "decode/surface.hpp"

namespace nvsim::decode {

struct CodedPicture {
  Bytes parameter_sets;
  Bytes slices;
  unsigned index = 0;  // of the surface
  CUdeviceptr surface = 0;
  Layout layout;
  bool second_field = false;
};

class Engine {
 public:
  Engine(cudaVideoCodec codec, unsigned surfaces) : software_(codec), status_(surfaces) {}

  // On the program's thread, when the picture is submitted.
  void announce(unsigned index) { status_[index] = cuvidDecodeStatus_InProgress; }
  // On the worker.
  void decode(const CodedPicture &picture);
  int status(unsigned index) const { return status_[index]; }

 private:
  SoftwareDecoder software_;
  Bytes last_parameter_sets_;
  std::vector<std::atomic<int>> status_;
};

// Writes the stream that the program's structures and slices stand for, picture by picture.
class StreamBuilder {
 public:
  explicit StreamBuilder(cudaVideoCodec codec) : codec_(codec) {}
  // Fills in the parameter sets and slices. Throws Error for what is not simulated.
  void build(const CUVIDPICPARAMS &params, CodedPicture &picture);
  // The surfaces that the picture reads.
  std::vector<int> references(const CUVIDPICPARAMS &params) const;

 private:
  const cudaVideoCodec codec_;
  h265::Rebuilder h265_;
};

}  // namespace nvsim::decode
