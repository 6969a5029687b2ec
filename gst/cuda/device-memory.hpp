// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <memory>

#include "cuda/context.hpp"
#include "cuda/driver.hpp"

namespace cudacam {

/// Owns an allocation on a context's device.
class DeviceMemory {
 public:
  /// Waits until the context's work is done, as the driver itself does when memory is freed: it may
  /// use this memory. Afterwards the address is invalid.
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory &) = delete;
  DeviceMemory &operator=(const DeviceMemory &) = delete;

  CUdeviceptr address() const { return address_; }
  /// What it takes of the device's memory: what was asked for, rounded up.
  std::size_t bytes() const { return bytes_; }

 private:
  friend class DeviceAllocator;
  DeviceMemory(GstCudaContext *context, std::size_t bytes)
      : context_(share(context)), bytes_(bytes) {}

  enum class State { kNone, kReserved, kMapped, kOrdinary };

  const CudaContextPtr context_;
  const std::size_t bytes_;
  CUdeviceptr address_ = 0;
  State state_ = State::kNone;
};

/// Gives memory of a context's device.
///
/// It can be shared with other processes (cuMemRetainAllocationHandle and
/// cuMemExportToShareableHandle give a file descriptor for its address) where the device offers
/// that, and is an ordinary one elsewhere. What can be shared comes in whole granules, of 2 MiB on
/// today's GPUs.
class DeviceAllocator {
 public:
  /// Asks the device what it offers. Throws CudaError.
  explicit DeviceAllocator(GstCudaContext *context);

  /// Throws CudaError: the call that failed, and with what.
  std::unique_ptr<DeviceMemory> allocate(std::size_t bytes) const;
  /// What allocate() takes for so many bytes.
  std::size_t rounded(std::size_t bytes) const {
    return (bytes + granule_ - 1) / granule_ * granule_;
  }
  /// What the pitch of rows should be a multiple of: textures' alignment, which cuMemAllocPitch
  /// keeps to as well.
  std::size_t row_alignment() const { return row_alignment_; }

 private:
  void map_shareable(DeviceMemory &memory) const;

  const CudaContextPtr context_;
  CUdevice device_ = 0;
  bool shareable_ = false;
  std::size_t granule_ = 1;
  std::size_t row_alignment_ = 1;
};

}  // namespace cudacam
