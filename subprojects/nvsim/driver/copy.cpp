// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/copy.hpp"

#include <cstring>
#include <memory>

#include "driver/driver.hpp"
#include "driver/report.hpp"
#include "driver/simulated_memory.hpp"

namespace nvsim {
namespace {

struct Side {
  CUdeviceptr address = 0;
  std::size_t pitch = 0;
  bool device = false;  // device memory
  bool pinned = false;  // host memory that the driver knows
  bool pageable() const { return !device && !pinned; }
};

Side side_of(CUmemorytype type, const void *host, CUdeviceptr device, std::size_t pitch,
             std::size_t x, std::size_t y, std::size_t width, std::size_t height) {
  if (type == CU_MEMORYTYPE_ARRAY) {
    not_simulated("copies of arrays");
    throw Error{CUDA_ERROR_NOT_SUPPORTED};
  }
  if (pitch == 0) pitch = width + x;
  if (height > 1 && pitch < width + x) throw Error{CUDA_ERROR_INVALID_VALUE};

  Side side;
  side.pitch = pitch;
  side.address = type == CU_MEMORYTYPE_HOST ? reinterpret_cast<CUdeviceptr>(host) : device;
  side.address += y * pitch + x;
  Driver &driver = Driver::get();
  side.device = driver.arena.contains(side.address);
  const Lock lock(driver.mutex);
  const Allocation *allocation = driver.memory.live_at(side.address);
  side.pinned = !side.device && allocation;
  if (type == CU_MEMORYTYPE_DEVICE && !side.device && !side.pinned) {
    violation("copy with device address %#llx, which is not device memory",
              static_cast<unsigned long long>(side.address));
    throw Error{CUDA_ERROR_INVALID_VALUE};
  }
  if (type == CU_MEMORYTYPE_HOST && side.device) {
    violation("copy with host address %#llx, which is device memory",
              static_cast<unsigned long long>(side.address));
    throw Error{CUDA_ERROR_INVALID_VALUE};
  }
  return side;
}

// Measured: copies and fills are checked when they are submitted, and a wrong address is then an
// ordinary error; only what goes wrong later fails the GPU.
void check(const Stream &stream, const Access &access) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  std::optional<std::string> problem = driver.memory.problem_with(access, *stream.context(), false);
  const Allocation *allocation = driver.memory.live_at(access.address);
  if (!problem && allocation && allocation->ending)
    problem = "use of " + allocation->name() + " after cuMemFreeAsync";
  if (!problem) return;
  violation("%s", problem->c_str());
  throw Error{CUDA_ERROR_INVALID_VALUE};
}

// What the worker does; addresses are those it can reach.
struct Rows {
  std::uint8_t *to = nullptr;
  std::size_t to_pitch = 0;
  const std::uint8_t *from = nullptr;
  std::size_t from_pitch = 0;
  std::size_t width = 0;
  std::size_t height = 0;

  void copy() const {
    for (std::size_t row = 0; row < height; ++row)
      std::memmove(to + row * to_pitch, from + row * from_pitch, width);
  }
};

CUresult copy_sides(Call &call, const Side &to, const Side &from, std::size_t width,
                    std::size_t height, CUstream stream_handle, Wait wait_mode) {
  const std::shared_ptr<Stream> stream = stream_of(call, stream_handle);
  if (width == 0 || height == 0) return CUDA_SUCCESS;
  std::vector<Access> accesses;
  if (!from.pageable()) accesses.push_back(reads(from.address, from.pitch, width, height));
  if (!to.pageable()) accesses.push_back(writes(to.address, to.pitch, width, height));
  for (const Access &access : accesses) check(*stream, access);

  Rows rows;
  rows.to = host_view(to.address);
  rows.to_pitch = to.pitch;
  rows.from = host_view(from.address);
  rows.from_pitch = from.pitch;
  rows.width = width;
  rows.height = height;

  // A pageable source is read before the call returns; the program may overwrite it then.
  std::shared_ptr<std::vector<std::uint8_t>> staged;
  if (from.pageable() && wait_mode == Wait::async) {
    staged = std::make_shared<std::vector<std::uint8_t>>(width * height);
    Rows into_staging = rows;
    into_staging.to = staged->data();
    into_staging.to_pitch = width;
    into_staging.copy();
    rows.from = staged->data();
    rows.from_pitch = width;
  }

  Work work;
  work.what = base_name(this_thread().call);
  work.accesses = std::move(accesses);
  work.run = [rows, staged] {
    const SimulatedMemoryScope scope;
    rows.copy();
    return CUDA_SUCCESS;
  };
  const Ticket ticket = submit(call, stream, std::move(work));
  count("copy.submitted");

  // Between two device memories even the "blocking" forms return at once.
  const bool host_involved = !to.device || !from.device;
  const bool blocks = to.pageable() || (wait_mode == Wait::blocking && host_involved);
  return blocks ? wait(ticket) : CUDA_SUCCESS;
}

}  // namespace

CUresult copy_2d(Call &call, const CUDA_MEMCPY2D &copy, CUstream stream, Wait wait_mode) {
  const std::size_t width = copy.WidthInBytes;
  const std::size_t height = copy.Height;
  const Side from = side_of(copy.srcMemoryType, copy.srcHost, copy.srcDevice, copy.srcPitch,
                            copy.srcXInBytes, copy.srcY, width, height);
  const Side to = side_of(copy.dstMemoryType, copy.dstHost, copy.dstDevice, copy.dstPitch,
                          copy.dstXInBytes, copy.dstY, width, height);
  return copy_sides(call, to, from, width, height, stream, wait_mode);
}

CUresult copy_1d(Call &call, Place destination, Place source, std::size_t bytes, CUstream stream,
                 Wait wait_mode) {
  const auto side = [&](const Place &place) {
    return side_of(place.type, reinterpret_cast<const void *>(place.address), place.address, bytes,
                   0, 0, bytes, 1);
  };
  const Side from = side(source);
  return copy_sides(call, side(destination), from, bytes, 1, stream, wait_mode);
}

CUresult fill_2d(Call &call, CUdeviceptr destination, std::size_t pitch, std::uint32_t value,
                 std::size_t element, std::size_t width, std::size_t height, CUstream stream) {
  const std::size_t bytes = width * element;
  if (destination % element || pitch % element) return CUDA_ERROR_INVALID_VALUE;
  const Side to = side_of(CU_MEMORYTYPE_DEVICE, nullptr, destination, pitch, 0, 0, bytes, height);
  if (bytes == 0 || height == 0) return CUDA_SUCCESS;

  const std::shared_ptr<Stream> on = stream_of(call, stream);
  Work work;
  work.what = base_name(this_thread().call);
  work.accesses.push_back(writes(to.address, to.pitch, bytes, height));
  check(*on, work.accesses.front());
  work.run = [first = host_view(to.address), to, value, element, width, height] {
    const SimulatedMemoryScope scope;
    for (std::size_t row = 0; row < height; ++row)
      for (std::size_t i = 0; i < width; ++i)
        std::memcpy(first + row * to.pitch + i * element, &value, element);
    return CUDA_SUCCESS;
  };
  submit(call, on, std::move(work));
  return CUDA_SUCCESS;
}

}  // namespace nvsim
