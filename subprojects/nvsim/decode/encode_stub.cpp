// SPDX-License-Identifier: LGPL-2.1-or-later
//
// libnvidia-encode.so.1, just enough of it that GStreamer's nvcodec plugin goes on to register its
// other elements: every session is refused with "no encode device".
#include <ffnvcodec/nvEncodeAPI.h>

#include <algorithm>
#include <cstring>

#define NVSIM_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

NVENCSTATUS refuse() {
  return NV_ENC_ERR_NO_ENCODE_DEVICE;
}

}  // namespace

NVSIM_EXPORT NVENCSTATUS NVENCAPI NvEncodeAPIGetMaxSupportedVersion(uint32_t *version) {
  if (version == nullptr) return NV_ENC_ERR_INVALID_PTR;
  *version = NVENCAPI_MAJOR_VERSION << 4 | NVENCAPI_MINOR_VERSION;
  return NV_ENC_SUCCESS;
}

NVSIM_EXPORT NVENCSTATUS NVENCAPI NvEncodeAPICreateInstance(NV_ENCODE_API_FUNCTION_LIST *list) {
  if (list == nullptr) return NV_ENC_ERR_INVALID_PTR;
  // Every entry is a function pointer, up to the reserved ones at the end.
  void (*entry)() = reinterpret_cast<void (*)()>(refuse);
  auto *begin = reinterpret_cast<unsigned char *>(&list->nvEncOpenEncodeSession);
  auto *end = reinterpret_cast<unsigned char *>(list->reserved2);
  for (; begin + sizeof entry <= end; begin += sizeof entry)
    std::memcpy(begin, &entry, sizeof entry);
  return NV_ENC_SUCCESS;
}
