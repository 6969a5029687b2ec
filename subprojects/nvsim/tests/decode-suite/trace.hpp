// SPDX-License-Identifier: LGPL-2.1-or-later
//
// decode-trace's player: a parser, a decoder, and each callback printed.
#pragma once

#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/dynlink_cuviddec.h>
#include <ffnvcodec/dynlink_nvcuvid.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

using Bytes = std::vector<uint8_t>;

struct Settings {
  std::map<std::string, std::string> values{{"codec", "h264"}, {"delay", "0"}, {"surfaces", "min"},
                                            {"chunk", "0"},    {"eop", "1"},   {"decode", "1"},
                                            {"pts", "1"},      {"brief", "0"}};
  int number(const char *name) const { return std::stoi(values.at(name)); }
  bool hevc() const { return values.at("codec") == "hevc"; }
};

class Trace {
 public:
  // The settings have to outlive it.
  explicit Trace(const Settings &settings);
  ~Trace();
  Trace(const Trace &) = delete;
  Trace &operator=(const Trace &) = delete;

  // An access unit, in packets as the settings say.
  void feed(const Bytes &unit);
  void end(unsigned long flags) { parse(nullptr, 0, flags); }
  // Flags of the next packet.
  void flag_next(unsigned long flags) { next_flags_ |= flags; }
  // What the decoder says it can do.
  void caps();

 private:
  cudaVideoCodec codec() const {
    return settings_.hevc() ? cudaVideoCodec_HEVC : cudaVideoCodec_H264;
  }
  void parse(const uint8_t *data, size_t size, unsigned long flags);

  int sequence(const CUVIDEOFORMAT &format);
  void make_decoder(const CUVIDEOFORMAT &format, int surfaces);
  int decode(CUVIDPICPARAMS &picture);
  int display(const CUVIDPARSERDISPINFO *info);
  void print_picture(const CUVIDPARSERDISPINFO &info);

  const Settings &settings_;
  CUvideoparser parser_ = nullptr;
  CUvideodecoder decoder_ = nullptr;
  CUVIDDECODECREATEINFO info_{};
  unsigned long next_flags_ = 0;
  long long time_ = 0;
};
