// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Builds CUDA kernels for the host, so that the simulated driver can run the same source.
//
//   // copy_host.cpp, compiled into a shared object (-shared -fPIC)
//   #include <nvsim/kernel.hpp>
//   #include "kernels/copy.cu"
//   NVSIM_KERNEL(copy_nv12)
//   NVSIM_MODULE()
//
// The object's bytes are a module image: cuModuleLoad and cuModuleLoadData take them in place of
// PTX. For images that nvcc made, name the object in NVSIM_KERNELS (separated by ':'); functions
// are then found by their name.
//
// Pointer parameters are translated to where the stream's worker reaches the memory, and taken to
// be used up to the end of their allocation (const: read, else: read and written). To say more
// exactly what a kernel touches, and for pointers inside structures, define next to the structure
//   void nvsim_visit(CopyParameters &p, nvsim::KernelVisitor &v) {
//     v.reads(p.source, p.source_pitch, p.width, p.height);
//     v.writes(p.target, p.target_pitch, p.width, p.height);
//   }
// or for a kernel with plain parameters
//   NVSIM_KERNEL_WITH(fill, [](auto &v, auto &target, auto &value, auto &pitch, auto &w, auto &h) {
//     v.writes(target, pitch, w, h);
//   })
//
// Threads of a block run one after the other: there is no __syncthreads.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace nvsim {

// --- Between a module and the driver; plain C data ------------------------------------------

struct KernelAccess {
  std::uint64_t address;
  std::size_t pitch;
  std::size_t width;  // SIZE_MAX: up to the end of the allocation
  std::size_t height;
  bool write;
};

struct KernelLaunch {
  unsigned grid[3];
  unsigned block[3];
  void *(*view)(std::uint64_t address);  // where the worker reaches device memory
  void (*access)(void *sink, const KernelAccess *access);
  void *sink;
};

struct KernelEntry {
  const char *name;
  std::size_t parameter_count;
  const std::size_t *parameter_sizes;
  // `parameters` points to copies of the values that the launch was given.
  void (*list_accesses)(void **parameters, const KernelLaunch *launch);
  void (*run)(void **parameters, const KernelLaunch *launch);
};

// --- What visiting functions see ------------------------------------------------------------

// Goes over the pointers of a launch: once to list what they touch, once to translate them.
class KernelVisitor {
 public:
  KernelVisitor(const KernelLaunch &launch, bool translating)
      : launch_(launch), translating_(translating) {}

  template <typename T>
  void reads(T *&pointer, std::size_t pitch, std::size_t width, std::size_t height) {
    visit(pointer, pitch, width, height, false);
  }
  template <typename T>
  void writes(T *&pointer, std::size_t pitch, std::size_t width, std::size_t height) {
    visit(pointer, pitch, width, height, true);
  }
  template <typename T>
  void to_the_end(T *&pointer) {
    visit(pointer, 0, SIZE_MAX, 1, !std::is_const_v<T>);
  }

 private:
  template <typename T>
  void visit(T *&pointer, std::size_t pitch, std::size_t width, std::size_t height, bool write) {
    if (!pointer) return;
    const auto address = reinterpret_cast<std::uint64_t>(pointer);
    if (translating_) {
      pointer = static_cast<T *>(launch_.view(address));
    } else {
      const KernelAccess access{address, pitch, width, height, write};
      launch_.access(launch_.sink, &access);
    }
  }

  const KernelLaunch &launch_;
  const bool translating_;
};

}  // namespace nvsim

// --- CUDA C++ as a host compiler sees it ----------------------------------------------------
// Types are aligned as on a GPU, where a misaligned access is an error. A host build finds it with
// -fsanitize=alignment.

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __constant__ static const
#define __shared__ static thread_local

struct alignas(8) uint2 {
  unsigned x, y;
};
struct uint3 {
  unsigned x, y, z;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(2) uchar2 {
  unsigned char x, y;
};
struct alignas(4) uchar4 {
  unsigned char x, y, z, w;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

inline thread_local uint3 threadIdx;
inline thread_local uint3 blockIdx;
inline thread_local dim3 blockDim;
inline thread_local dim3 gridDim;

[[gnu::error("__syncthreads is not simulated: threads of a block run one after the other")]] void
__syncthreads();

inline uint2 make_uint2(unsigned x, unsigned y) {
  return {x, y};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}
inline uchar2 make_uchar2(unsigned char x, unsigned char y) {
  return {x, y};
}
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) {
  return {x, y, z, w};
}
inline float2 make_float2(float x, float y) {
  return {x, y};
}
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
template <typename T>
T __ldg(const T *pointer) {
  return *pointer;
}
template <typename T>
T __ldcs(const T *pointer) {
  return *pointer;
}
template <typename T>
void __stcs(T *pointer, T value) {
  *pointer = value;
}
template <typename T>
T min(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
T max(T a, T b) {
  return a > b ? a : b;
}

// --- Registration ---------------------------------------------------------------------------

namespace nvsim::kernel {

inline std::vector<KernelEntry> &entries() {
  // Not destroyed: at the process's end a stream may still be running one.
  static auto *const all = new std::vector<KernelEntry>;
  return *all;
}

template <typename T, typename = void>
struct HasVisit : std::false_type {};
template <typename T>
struct HasVisit<
    T, std::void_t<decltype(nvsim_visit(std::declval<T &>(), std::declval<KernelVisitor &>()))>>
    : std::true_type {};

// What is done with each parameter where nothing more exact is said.
struct VisitEach {
  template <typename... Values>
  void operator()(KernelVisitor &visitor, Values &...values) const {
    (one(visitor, values), ...);
  }
  template <typename T>
  static void one(KernelVisitor &visitor, T &value) {
    if constexpr (std::is_pointer_v<T>)
      visitor.to_the_end(value);
    else if constexpr (HasVisit<T>::value)
      nvsim_visit(value, visitor);
  }
};

// `Tag` makes one type, and so one set of static functions, for each kernel.
template <typename Tag, typename... Parameters>
class Entry {
 public:
  static KernelEntry make(const char *name) {
    static constexpr std::size_t sizes[] = {sizeof(Parameters)..., 0};
    return {name, sizeof...(Parameters), sizes, list_accesses, run};
  }

 private:
  using Values = std::tuple<std::remove_cv_t<Parameters>...>;

  template <std::size_t... I>
  static Values values_of(void **parameters, std::index_sequence<I...>) {
    return Values(*static_cast<std::remove_cv_t<Parameters> *>(parameters[I])...);
  }
  static Values visited(void **parameters, const KernelLaunch &launch, bool translating) {
    Values values = values_of(parameters, std::index_sequence_for<Parameters...>());
    KernelVisitor visitor(launch, translating);
    std::apply([&](auto &...value) { Tag::visit(visitor, value...); }, values);
    return values;
  }
  static void list_accesses(void **parameters, const KernelLaunch *launch) {
    visited(parameters, *launch, false);
  }
  static void run(void **parameters, const KernelLaunch *launch) {
    const Values values = visited(parameters, *launch, true);
    gridDim = {launch->grid[0], launch->grid[1], launch->grid[2]};
    blockDim = {launch->block[0], launch->block[1], launch->block[2]};
    for_each(launch->grid, blockIdx,
             [&] { for_each(launch->block, threadIdx, [&] { std::apply(Tag::call, values); }); });
  }
  template <typename Body>
  static void for_each(const unsigned (&count)[3], uint3 &index, Body &&body) {
    for (index.z = 0; index.z < count[2]; ++index.z)
      for (index.y = 0; index.y < count[1]; ++index.y)
        for (index.x = 0; index.x < count[0]; ++index.x) body();
  }
};

template <typename Tag, typename... Parameters>
bool add(const char *name, void (*)(Parameters...)) {
  entries().push_back(Entry<Tag, Parameters...>::make(name));
  return true;
}

}  // namespace nvsim::kernel

#define NVSIM_KERNEL(NAME) NVSIM_KERNEL_WITH(NAME, nvsim::kernel::VisitEach())

#define NVSIM_KERNEL_WITH(NAME, ...)                                                  \
  struct nvsim_kernel_##NAME {                                                        \
    template <typename... Values>                                                     \
    static void visit(nvsim::KernelVisitor &nvsim_visitor, Values &...nvsim_values) { \
      const auto nvsim_how = __VA_ARGS__;                                             \
      nvsim_how(nvsim_visitor, nvsim_values...);                                      \
    }                                                                                 \
    static constexpr auto call = &NAME;                                               \
  };                                                                                  \
  static const bool nvsim_kernel_added_##NAME =                                       \
      nvsim::kernel::add<nvsim_kernel_##NAME>(#NAME, &NAME);

// Once in each shared object: what the driver looks for.
#define NVSIM_MODULE()                                                         \
  extern "C" __attribute__((visibility("default"))) const nvsim::KernelEntry * \
  nvsim_module_kernels(std::size_t *count) {                                   \
    *count = nvsim::kernel::entries().size();                                  \
    return nvsim::kernel::entries().data();                                    \
  }
