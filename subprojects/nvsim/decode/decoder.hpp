// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One decoder of the program: its surfaces, its engine, its mapped pictures.
//
//   decode ──> engine stream: reads references, writes surface ─┐
//   map ─────> waits for that; the program's output stream: reads surface, writes output slot
//
// The engine does not write a surface before the post-processing that reads it is done. Nothing
// orders the next use of an output slot after what the program does with it but its own streams:
// that is for the program to get right, and for the race detector to see.
#pragma once

#include <mutex>
#include <vector>

#include "decode/engine.hpp"
#include "decode/nvdec_types.hpp"
#include "decode/surface.hpp"
#include "driver/seam.hpp"

namespace nvsim::decode {

class Decoder {
 public:
  Decoder(std::shared_ptr<Context> context, const CUVIDDECODECREATEINFO &info);
  ~Decoder();
  Decoder(const Decoder &) = delete;
  Decoder &operator=(const Decoder &) = delete;

  void decode(Call &call, const CUVIDPICPARAMS &params);
  struct Mapped {
    CUdeviceptr address;
    unsigned pitch;
    CUresult result;
  };
  // A picture that is mapped already is answered with its place and CUDA_ERROR_ALREADY_MAPPED.
  Mapped map(Call &call, int index, const CUVIDPROCPARAMS &params);
  void unmap(CUdeviceptr address);
  int status(int index) const;
  void reconfigure(const CUVIDRECONFIGUREDECODERINFO &info);

  // As on a real driver: waits for the engine and for all work submitted to the device, then the
  // surfaces are gone.
  void destroy();

 private:
  struct Surface {
    CUdeviceptr address = 0;
    bool filled = false;
    Ticket decoded;    // the last decode into it
    Ticket read_last;  // the last post-processing of it
  };
  struct Output {
    CUdeviceptr address = 0;
    int mapped = -1;  // the surface whose picture it shows
  };

  void allocate_surfaces();
  void free_surfaces();
  void check_context(const Call &call) const;
  unsigned check_index(int index, const char *what) const;
  Output &reserve_output(unsigned surface);

  const std::shared_ptr<Context> context_;
  CUVIDDECODECREATEINFO info_;
  const unsigned number_;
  Layout surface_layout_, output_layout_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Stream> stream_;
  // Guards what follows, and the layouts. Held across calls of the driver, never across a wait.
  mutable std::mutex mutex_;
  StreamBuilder builder_;
  std::vector<Surface> surfaces_;
  std::vector<Output> outputs_;
};

// Throws Error for what no NVDEC takes and for what is not simulated.
void check(const CUVIDDECODECREATEINFO &info);

}  // namespace nvsim::decode
