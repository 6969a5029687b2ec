// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Modules, kernels and launches.
#include "driver/module.hpp"

#include <elf.h>

#include <cstring>

#include "driver/driver.hpp"

using nvsim::api_call;
using nvsim::Call;
using nvsim::Driver;
using nvsim::Kernel;
using nvsim::KernelAccess;
using nvsim::KernelLaunch;
using nvsim::Lock;
using nvsim::Module;

namespace nvsim {
namespace {

CUresult add_module(CUmodule *handle, std::shared_ptr<KernelLibrary> library) {
  auto module = std::make_shared<Module>();
  module->library = std::move(library);
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  *handle = driver.modules.add(std::move(module));
  return CUDA_SUCCESS;
}

bool is_elf(const void *image) {
  return std::memcmp(image, ELFMAG, SELFMAG) == 0;
}

// A cubin is an ELF file too, for another machine.
bool is_for_this_machine(const void *image) {
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof header);
  return header.e_type == ET_DYN;
}

CUresult load_image(CUmodule *handle, const void *image) {
  if (!handle || !image) return CUDA_ERROR_INVALID_VALUE;
  if (!is_elf(image) || !is_for_this_machine(image)) return add_module(handle, nullptr);
  auto library = KernelLibrary::open_image(image);
  return library ? add_module(handle, std::move(library)) : CUDA_ERROR_INVALID_IMAGE;
}

CUresult load_file(CUmodule *handle, const char *path) {
  if (!handle || !path) return CUDA_ERROR_INVALID_VALUE;
  unsigned char start[sizeof(Elf64_Ehdr)] = {};
  std::FILE *file = std::fopen(path, "rbe");
  if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
  const std::size_t read = std::fread(start, 1, sizeof start, file);
  std::fclose(file);
  if (read < sizeof start || !is_elf(start) || !is_for_this_machine(start))
    return add_module(handle, nullptr);
  auto library = KernelLibrary::open(path);
  return library ? add_module(handle, std::move(library)) : CUDA_ERROR_INVALID_IMAGE;
}

std::shared_ptr<Module> module_of(const Lock &, CUmodule handle) {
  Driver &driver = Driver::get();
  if (auto module = driver.modules.find(handle)) return module;
  violation("%s with module handle %p, which %s", this_thread().call, static_cast<void *>(handle),
            driver.modules.was_issued(handle) ? "is unloaded" : "was never given out");
  throw Error{CUDA_ERROR_INVALID_HANDLE};
}

CUresult get_function(CUfunction *handle, CUmodule module_handle, const char *name) {
  if (!handle || !name) return CUDA_ERROR_INVALID_VALUE;
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const std::shared_ptr<Module> module = module_of(lock, module_handle);
  lock.unlock();
  const KernelEntry *entry =
      module->library ? module->library->find(name) : find_named_kernel(name);
  if (!entry) {
    violation("kernel '%s' has no host build%s", name,
              module->library ? " in its module" : " in NVSIM_KERNELS");
    return CUDA_ERROR_NOT_FOUND;
  }
  auto kernel = std::make_shared<Kernel>();
  kernel->name = name;
  kernel->entry = entry;
  lock.lock();
  *handle = driver.kernels.add(std::move(kernel));
  return CUDA_SUCCESS;
}

// The values of a launch, copied when it is made.
class Parameters {
 public:
  Parameters(const KernelEntry &entry, void **values) {
    for (std::size_t i = 0; i < entry.parameter_count; ++i) {
      const auto *bytes = static_cast<const unsigned char *>(values[i]);
      values_.emplace_back(bytes, bytes + entry.parameter_sizes[i]);
    }
    for (auto &value : values_) pointers_.push_back(value.data());
  }
  Parameters(const Parameters &) = delete;
  Parameters &operator=(const Parameters &) = delete;
  void **pointers() { return pointers_.data(); }

 private:
  std::vector<std::vector<unsigned char>> values_;
  std::vector<void *> pointers_;
};

void *view_of(std::uint64_t address) {
  return host_view(address);
}

// "To the end" is the end of the allocation that the pointer lies in; elsewhere one byte, which is
// enough to be refused when the kernel runs.
Access resolved(const KernelAccess &access) {
  Access known{access.address, access.pitch, access.width, access.height, access.write};
  if (access.width != SIZE_MAX) return known;
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  const Allocation *allocation = driver.memory.live_at(access.address);
  known.width = allocation ? allocation->base + allocation->size - access.address : 1;
  known.pitch = known.width;
  return known;
}

void add_access(void *sink, const KernelAccess *access) {
  static_cast<std::vector<Access> *>(sink)->push_back(resolved(*access));
}

struct Shape {
  unsigned grid[3];
  unsigned block[3];

  bool valid() const {
    for (int i = 0; i < 3; ++i)
      if (grid[i] == 0 || block[i] == 0) return false;
    return std::uint64_t{block[0]} * block[1] * block[2] <= 1024;
  }
};

CUresult launch(Call &call, CUfunction function, const Shape &shape, CUstream stream_handle,
                void **values) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  const std::shared_ptr<Kernel> kernel = driver.kernels.find(function);
  lock.unlock();
  if (!kernel) {
    violation("launch of function %p, which was never given out", static_cast<void *>(function));
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (!shape.valid() || (kernel->entry->parameter_count && !values))
    return CUDA_ERROR_INVALID_VALUE;

  auto parameters = std::make_shared<Parameters>(*kernel->entry, values);
  Operation operation;
  operation.kernel = true;
  operation.injected = call.take_async_fault();
  operation.work.what = kernel->name;
  KernelLaunch plan{};
  std::memcpy(plan.grid, shape.grid, sizeof plan.grid);
  std::memcpy(plan.block, shape.block, sizeof plan.block);
  plan.view = view_of;
  plan.access = add_access;
  plan.sink = &operation.work.accesses;
  kernel->entry->list_accesses(parameters->pointers(), &plan);
  operation.work.run = [kernel, parameters, plan] {
    kernel->entry->run(parameters->pointers(), &plan);
    return CUDA_SUCCESS;
  };
  count("kernel.launched");
  lock.lock();
  find_stream(lock, call, stream_handle)->submit(lock, std::move(operation));
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace nvsim

NVSIM_API CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &) { return nvsim::load_image(module, image); });
}
NVSIM_API CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned, CUjit_option *,
                                      void **) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &) { return nvsim::load_image(module, image); });
}
NVSIM_API CUresult cuModuleLoadFatBinary(CUmodule *module, const void *image) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &) { return nvsim::load_image(module, image); });
}
NVSIM_API CUresult cuModuleLoad(CUmodule *module, const char *path) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &) { return nvsim::load_file(module, path); });
}

NVSIM_API CUresult cuModuleUnload(CUmodule module) {
  return api_call(__func__, nvsim::kNeedsContext | nvsim::kAfterError, [&](Call &call) {
    Driver &driver = Driver::get();
    Lock lock(driver.mutex);
    nvsim::module_of(lock, module);
    driver.wait_for_context(lock, *call.context());
    driver.modules.remove(module);
    return driver.error();
  });
}

NVSIM_API CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  return api_call(__func__, nvsim::kNeedsContext,
                  [&](Call &) { return nvsim::get_function(function, module, name); });
}

NVSIM_API CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                  unsigned grid_z, unsigned block_x, unsigned block_y,
                                  unsigned block_z, unsigned, CUstream stream, void **parameters,
                                  void **extra) {
  return api_call(__func__, nvsim::kNeedsContext, [&](Call &call) {
    if (extra) return nvsim::not_simulated("the 'extra' parameters of cuLaunchKernel");
    const nvsim::Shape shape{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}};
    return nvsim::launch(call, function, shape, stream, parameters);
  });
}
