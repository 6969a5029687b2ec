// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Modules: host builds of kernels in shared objects, found by file, by image, or by name.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "nvsim/kernel.hpp"

namespace nvsim {

// A shared object made with nvsim/kernel.hpp; stays loaded for good, its code may be running.
class KernelLibrary {
 public:
  // Null, and reported, when the file cannot be loaded or is no such object.
  static std::shared_ptr<KernelLibrary> open(const std::string &path);
  // `image` is a whole ELF file in memory.
  static std::shared_ptr<KernelLibrary> open_image(const void *image);

  const KernelEntry *find(const std::string &name) const;

 private:
  std::map<std::string, const KernelEntry *> entries_;
};

// Null when no object named in NVSIM_KERNELS has it.
const KernelEntry *find_named_kernel(const std::string &name);

struct Module {
  std::shared_ptr<KernelLibrary> library;  // none: an image that only nvcc's own driver reads
};

struct Kernel {
  std::string name;
  const KernelEntry *entry = nullptr;
};

}  // namespace nvsim
