// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/decode-suite/player.hpp"

#include <dlfcn.h>

#include <fstream>
#include <iterator>
#include <utility>

namespace player {

namespace {
constexpr unsigned kOutputs = 2;
}

void *look_up(const char *name) {
  void *library = dlopen("libnvcuvid.so.1", RTLD_NOW);
  if (library == nullptr) harness::fail(__FILE__, __LINE__, dlerror());
  void *address = dlsym(library, name);
  if (address == nullptr) harness::fail(__FILE__, __LINE__, name);
  return address;
}

Bytes read_stream(const char *file) {
  std::ifstream stream(std::string(NVSIM_TEST_STREAMS) + "/" + file, std::ios::binary);
  Bytes bytes(std::istreambuf_iterator<char>(stream), {});
  CHECK(!bytes.empty());
  return bytes;
}

Player::Player(Bytes stream) : bytes_(std::move(stream)) {
  CUVIDPARSERPARAMS params{};
  params.CodecType = cudaVideoCodec_H264;
  params.ulMaxNumDecodeSurfaces = 1;
  params.pUserData = this;
  params.pfnSequenceCallback = [](void *self, CUVIDEOFORMAT *format) {
    return static_cast<Player *>(self)->create(*format);
  };
  params.pfnDecodePicture = [](void *self, CUVIDPICPARAMS *picture) {
    auto *player = static_cast<Player *>(self);
    if (player->on_decode) player->on_decode(*picture);
    player->last_result = CUVID(cuvidDecodePicture)(player->decoder, picture);
    player->decoded++;
    return player->last_result == CUDA_SUCCESS ? 1 : 0;
  };
  params.pfnDisplayPicture = [](void *self, CUVIDPARSERDISPINFO *next) {
    auto *player = static_cast<Player *>(self);
    player->shown.push_back(next->picture_index);
    if (player->on_display) player->on_display(*next);
    return 1;
  };
  CHECK_OK(CUVID(cuvidCreateVideoParser)(&parser, &params));
}

void Player::feed(const Bytes &bytes, unsigned long flags) {
  CUVIDSOURCEDATAPACKET packet{};
  packet.payload = bytes.data();
  packet.payload_size = bytes.size();
  packet.flags = flags;
  CHECK_OK(CUVID(cuvidParseVideoData)(parser, &packet));
}

CUresult Player::map(int index, CUstream stream, CUdeviceptr &address) {
  CUVIDPROCPARAMS params{};
  params.progressive_frame = 1;
  params.output_stream = stream;
  unsigned long long mapped = 0;
  const CUresult result = CUVID(cuvidMapVideoFrame64)(decoder, index, &mapped, &pitch, &params);
  address = mapped;
  return result;
}

int Player::create(const CUVIDEOFORMAT &format) {
  if (decoder != nullptr) return static_cast<int>(info.ulNumDecodeSurfaces);
  info.ulWidth = format.coded_width;
  info.ulHeight = format.coded_height;
  info.ulNumDecodeSurfaces = format.min_num_decode_surfaces;
  info.CodecType = format.codec;
  info.ChromaFormat = format.chroma_format;
  info.display_area.right = static_cast<short>(format.display_area.right);
  info.display_area.bottom = static_cast<short>(format.display_area.bottom);
  info.ulTargetWidth = static_cast<unsigned>(format.display_area.right);
  info.ulTargetHeight = static_cast<unsigned>(format.display_area.bottom);
  info.ulNumOutputSurfaces = kOutputs;
  if (on_create) on_create(info);
  last_result = CUVID(cuvidCreateDecoder)(&decoder, &info);
  return last_result == CUDA_SUCCESS ? static_cast<int>(info.ulNumDecodeSurfaces) : 0;
}

}  // namespace player
