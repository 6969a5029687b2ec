// SPDX-License-Identifier: LGPL-2.1-or-later
/// Calls of the NVIDIA driver that only tests make, found at run time like the plugin's own.
#pragma once

#include <cuda.h>
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

namespace cudacam::test {

/// The function of that name, or null: no driver, or one without it.
template <class Function>
Function *find_call(const char *name) {
  static void *const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return library ? reinterpret_cast<Function *>(dlsym(library, name)) : nullptr;
}

template <class Function, class... Args>
void call_checked(Function *function, const char *name, Args... args) {
  if (!function) throw std::runtime_error(std::string("no ") + name);
  if (const auto result = function(args...))
    throw std::runtime_error(std::string(name) + " gave " + std::to_string(result));
}

/// Whether there is a driver with a device. Asked by another process: the tests are forks of this
/// one, and a driver that was initialised does not survive a fork.
inline bool have_gpu() {
  const auto asker = fork();
  if (asker == 0) {
    auto *initialise = find_call<decltype(::cuInit)>("cuInit");
    _exit(initialise && initialise(0) == CUDA_SUCCESS ? 0 : 1);
  }
  int status = 1;
  return waitpid(asker, &status, 0) == asker && status == 0;
}

// Through a second macro, for cuda.h's own: cuMemAlloc means cuMemAlloc_v2.
#define CUDACAM_TEST_NAME(name) #name
/// CUDA_CALL(cuMemFree)(memory); throws what fails.
#define CUDA_CALL(name)                                                                       \
  [](auto... args) {                                                                          \
    cudacam::test::call_checked(                                                              \
        cudacam::test::find_call<decltype(::name)>(CUDACAM_TEST_NAME(name)), #name, args...); \
  }

}  // namespace cudacam::test
