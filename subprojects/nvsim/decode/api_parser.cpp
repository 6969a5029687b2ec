// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The exported parser functions, and the context locks, which nothing here needs.
#include "decode/handles.hpp"
#include "decode/parser.hpp"

using nvsim::Call;
using nvsim::Error;
using nvsim::decode::Parser;

namespace {

nvsim::decode::Handles<Parser> &parsers() {
  static nvsim::decode::Handles<Parser> table("parser");
  return table;
}

}  // namespace

NVSIM_API CUresult cuvidCreateVideoParser(CUvideoparser *handle, CUVIDPARSERPARAMS *params) {
  return nvsim::api_call(__func__, nvsim::kNoContext, [&](Call &) {
    if (handle == nullptr || params == nullptr) throw Error{CUDA_ERROR_INVALID_VALUE};
    std::shared_ptr<Parser> parser = nvsim::decode::make_parser(*params);
    if (parser == nullptr) throw Error{nvsim::not_simulated("a parser for this codec")};
    *handle = parsers().add(std::move(parser));
  });
}

NVSIM_API CUresult cuvidParseVideoData(CUvideoparser handle, CUVIDSOURCEDATAPACKET *packet) {
  return nvsim::api_call(__func__, nvsim::kNoContext, [&](Call &) {
    if (packet == nullptr) throw Error{CUDA_ERROR_INVALID_VALUE};
    parsers().get(handle)->parse(*packet);
  });
}

NVSIM_API CUresult cuvidDestroyVideoParser(CUvideoparser handle) {
  return nvsim::api_call(__func__, nvsim::kNoContext | nvsim::kAfterError,
                         [&](Call &) { parsers().remove(handle); });
}

NVSIM_API CUresult cuvidCtxLockCreate(CUvideoctxlock *, CUcontext) {
  return nvsim::api_call(__func__, nvsim::kNoContext,
                         [](Call &) { return nvsim::not_simulated("cuvidCtxLockCreate"); });
}

NVSIM_API CUresult cuvidCtxLockDestroy(CUvideoctxlock) {
  return nvsim::api_call(__func__, nvsim::kNoContext,
                         [](Call &) { return nvsim::not_simulated("cuvidCtxLockDestroy"); });
}

NVSIM_API CUresult cuvidCtxLock(CUvideoctxlock, unsigned) {
  return nvsim::api_call(__func__, nvsim::kNoContext,
                         [](Call &) { return nvsim::not_simulated("cuvidCtxLock"); });
}

NVSIM_API CUresult cuvidCtxUnlock(CUvideoctxlock, unsigned) {
  return nvsim::api_call(__func__, nvsim::kNoContext,
                         [](Call &) { return nvsim::not_simulated("cuvidCtxUnlock"); });
}
