// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The exported decoder functions.
#include "decode/caps.hpp"
#include "decode/decoder.hpp"
#include "decode/handles.hpp"

using nvsim::Call;
using nvsim::Error;
using nvsim::decode::Decoder;

namespace {

nvsim::decode::Handles<Decoder> &decoders() {
  static nvsim::decode::Handles<Decoder> table("decoder");
  return table;
}

template <typename Pointer>
Pointer required(Pointer pointer) {
  if (pointer == nullptr) throw Error{CUDA_ERROR_INVALID_VALUE};
  return pointer;
}

}  // namespace

NVSIM_API CUresult cuvidGetDecoderCaps(CUVIDDECODECAPS *caps) {
  return nvsim::api_call(__func__, nvsim::kNeedsContext,
                         [&](Call &) { nvsim::decode::describe(*required(caps)); });
}

NVSIM_API CUresult cuvidCreateDecoder(CUvideodecoder *handle, CUVIDDECODECREATEINFO *info) {
  return nvsim::api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    nvsim::decode::check(*required(info));
    *required(handle) = decoders().add(std::make_shared<Decoder>(call.context(), *info));
  });
}

NVSIM_API CUresult cuvidReconfigureDecoder(CUvideodecoder handle,
                                           CUVIDRECONFIGUREDECODERINFO *info) {
  return nvsim::api_call(__func__, nvsim::kNeedsContext,
                         [&](Call &) { decoders().get(handle)->reconfigure(*required(info)); });
}

NVSIM_API CUresult cuvidDestroyDecoder(CUvideodecoder handle) {
  return nvsim::api_call(__func__, nvsim::kNoContext | nvsim::kAfterError,
                         [&](Call &) { decoders().remove(handle)->destroy(); });
}

NVSIM_API CUresult cuvidDecodePicture(CUvideodecoder handle, CUVIDPICPARAMS *params) {
  return nvsim::api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    decoders().get(handle)->decode(call, *required(params));
  });
}

NVSIM_API CUresult cuvidGetDecodeStatus(CUvideodecoder handle, int index,
                                        CUVIDGETDECODESTATUS *status) {
  return nvsim::api_call(__func__, nvsim::kNoContext, [&](Call &) {
    const int value = decoders().get(handle)->status(index);
    *required(status) = {};
    status->decodeStatus = static_cast<cuvidDecodeStatus>(value);
  });
}

NVSIM_API CUresult cuvidMapVideoFrame64(CUvideodecoder handle, int index,
                                        unsigned long long *address, unsigned *pitch,
                                        CUVIDPROCPARAMS *params) {
  return nvsim::api_call(__func__, nvsim::kNoContext, [&](Call &call) {
    required(address);
    required(pitch);
    const auto mapped = decoders().get(handle)->map(call, index, *required(params));
    *address = mapped.address;
    *pitch = mapped.pitch;
    return mapped.result;
  });
}

NVSIM_API CUresult cuvidUnmapVideoFrame64(CUvideodecoder handle, unsigned long long address) {
  return nvsim::api_call(__func__, nvsim::kNoContext,
                         [&](Call &) { decoders().get(handle)->unmap(address); });
}

// The forms with addresses of 32 bits, which no 64-bit program can use.
NVSIM_API CUresult cuvidMapVideoFrame(CUvideodecoder, int, unsigned *, unsigned *,
                                      CUVIDPROCPARAMS *) {
  return nvsim::api_call(__func__, nvsim::kNeedsContext,
                         [](Call &) { return nvsim::not_simulated("cuvidMapVideoFrame"); });
}

NVSIM_API CUresult cuvidUnmapVideoFrame(CUvideodecoder, unsigned) {
  return nvsim::api_call(__func__, nvsim::kNeedsContext,
                         [](Call &) { return nvsim::not_simulated("cuvidUnmapVideoFrame"); });
}
