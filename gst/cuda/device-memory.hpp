// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <memory>

#include "cuda/context.hpp"
#include "cuda/driver.hpp"

namespace cudacam {

/// Owns an allocation on a context's device.
///
/// It can be shared with other processes (cuMemRetainAllocationHandle and
/// cuMemExportToShareableHandle give a file descriptor for its address) where the device offers
/// that, and is an ordinary one elsewhere. What can be shared comes in whole granules, of 2 MiB on
/// today's GPUs.
class DeviceMemory {
 public:
  /// Throws CudaError: the call that failed, and with what.
  static std::unique_ptr<DeviceMemory> allocate(GstCudaContext *context, std::size_t bytes);
  /// Waits until the context's work is done, as the driver itself does when memory is freed: it may
  /// use this memory. Afterwards the address is invalid.
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory &) = delete;
  DeviceMemory &operator=(const DeviceMemory &) = delete;

  CUdeviceptr address() const { return address_; }
  /// What it takes of the device's memory: what was asked for, rounded up.
  std::size_t bytes() const { return bytes_; }

  /// What the pitch of rows should be a multiple of: textures' alignment, which cuMemAllocPitch
  /// keeps to as well. Throws CudaError.
  static std::size_t row_alignment(GstCudaContext *context);
  /// What allocate() would take for so many bytes. Throws CudaError.
  static std::size_t rounded(GstCudaContext *context, std::size_t bytes);

 private:
  DeviceMemory(GstCudaContext *context, std::size_t bytes)
      : context_(share(context)), bytes_(bytes) {}
  void allocate_shareable();

  enum class State { kNone, kReserved, kMapped, kOrdinary };

  const CudaContextPtr context_;
  const std::size_t bytes_;
  CUdeviceptr address_ = 0;
  State state_ = State::kNone;
};

}  // namespace cudacam
