// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/module.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "driver/report.hpp"
#include "driver/seam.hpp"

namespace nvsim {
namespace {

std::size_t elf_size(const void *image) {
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof header);
  return header.e_shoff + std::size_t{header.e_shentsize} * header.e_shnum;
}

std::vector<std::shared_ptr<KernelLibrary>> libraries_of_environment() {
  std::vector<std::shared_ptr<KernelLibrary>> libraries;
  const char *list = std::getenv("NVSIM_KERNELS");
  std::string rest = list ? list : "";
  while (!rest.empty()) {
    const auto end = rest.find(':');
    const std::string path = rest.substr(0, end);
    rest = end == std::string::npos ? "" : rest.substr(end + 1);
    if (path.empty()) continue;
    if (auto library = KernelLibrary::open(path)) libraries.push_back(std::move(library));
  }
  return libraries;
}

}  // namespace

std::shared_ptr<KernelLibrary> KernelLibrary::open(const std::string &path) {
  void *object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!object) {
    violation("kernels cannot be loaded: %s", dlerror());
    return nullptr;
  }
  using List = const KernelEntry *(*)(std::size_t *);
  const auto list = reinterpret_cast<List>(dlsym(object, "nvsim_module_kernels"));
  if (!list) {
    violation("%s holds no kernels: it has no NVSIM_MODULE()", path.c_str());
    return nullptr;
  }
  auto library = std::make_shared<KernelLibrary>();
  std::size_t count = 0;
  const KernelEntry *entries = list(&count);
  for (std::size_t i = 0; i < count; ++i) library->entries_[entries[i].name] = &entries[i];
  return library;
}

std::shared_ptr<KernelLibrary> KernelLibrary::open_image(const void *image) {
  const int fd = memfd_create("nvsim-module", MFD_CLOEXEC);
  if (fd < 0) throw Error{CUDA_ERROR_OUT_OF_MEMORY};
  const auto *bytes = static_cast<const char *>(image);
  std::size_t left = elf_size(image);
  while (left > 0) {
    const ssize_t written = write(fd, bytes, left);
    if (written <= 0) {
      close(fd);
      throw Error{CUDA_ERROR_OUT_OF_MEMORY};
    }
    bytes += written;
    left -= static_cast<std::size_t>(written);
  }
  auto library = open(format("/proc/self/fd/%d", fd));
  close(fd);
  return library;
}

const KernelEntry *KernelLibrary::find(const std::string &name) const {
  auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : found->second;
}

const KernelEntry *find_named_kernel(const std::string &name) {
  static const auto *const libraries =
      new std::vector<std::shared_ptr<KernelLibrary>>(libraries_of_environment());
  for (const auto &library : *libraries)
    if (const KernelEntry *entry = library->find(name)) return entry;
  return nullptr;
}

}  // namespace nvsim
