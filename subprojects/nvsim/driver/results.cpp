// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Names and natures of CUresult codes.
#include <cuda.h>

#include <charconv>

#include "driver/faults.hpp"

namespace nvsim {
namespace {

struct Name {
  int code;
  const char *name;
};

// Made from the cuda.h that is compiled against.
constexpr Name kNames[] = {
#include "error_names.inc"
};

constexpr std::string_view kPrefix = "CUDA_ERROR_";

}  // namespace

std::optional<int> result_code(std::string_view name) {
  int number = 0;
  const char *end = name.data() + name.size();
  if (auto [stopped, error] = std::from_chars(name.data(), end, number);
      error == std::errc() && stopped == end)
    return number;
  for (const Name &known : kNames) {
    const std::string_view full = known.name;
    if (full == name ||
        (full.substr(0, kPrefix.size()) == kPrefix && full.substr(kPrefix.size()) == name))
      return known.code;
  }
  return std::nullopt;
}

const char *result_name(int code) {
  for (const Name &known : kNames)
    if (known.code == code) return known.name;
  return nullptr;
}

bool is_sticky(int code) {
  switch (code) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
      return true;
    default:
      return false;
  }
}

}  // namespace nvsim
