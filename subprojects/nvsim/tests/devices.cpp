// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Several devices: peers, limits, copies between them.
#include "harness.hpp"

using harness::make_memory;
using harness::reported;

namespace {

struct Two {
  CUcontext contexts[2] = {};

  explicit Two(const char *peers) {
    setenv("NVSIM_DEVICES", "2", 1);
    setenv("NVSIM_PEERS", peers, 1);
    contexts[1] = harness::start(1);
    contexts[0] = harness::start(0);
  }
};

}  // namespace

TEST(devices_are_counted_and_named) {
  const Two two("all");
  int count = 0;
  CHECK_OK(cuDeviceGetCount(&count));
  CHECK_EQUAL(count, 2);
  CUdevice device = 0;
  CHECK_EQUAL(cuDeviceGet(&device, 2), CUDA_ERROR_INVALID_DEVICE);
  CUuuid one{};
  CUuuid other{};
  CHECK_OK(cuDeviceGetUuid(&one, 0));
  CHECK_OK(cuDeviceGetUuid(&other, 1));
  CHECK(std::memcmp(&one, &other, sizeof one) != 0);
}

TEST(no_devices_is_said_by_cuInit) {
  setenv("NVSIM_DEVICES", "0", 1);
  CHECK_EQUAL(cuInit(0), CUDA_ERROR_NO_DEVICE);
}

TEST(memory_is_copied_between_devices_with_and_without_peer_access) {
  const Two two("none");
  const CUdeviceptr here = make_memory(4096);
  CHECK_OK(cuCtxPushCurrent(two.contexts[1]));
  const CUdeviceptr there = make_memory(4096);
  CHECK_OK(cuMemsetD8(there, 3, 4096));
  CHECK_OK(cuCtxSynchronize());
  CHECK_OK(cuCtxPopCurrent(nullptr));
  CHECK_OK(cuMemcpyPeer(here, two.contexts[0], there, two.contexts[1], 4096));
  unsigned char out = 0;
  CHECK_OK(cuMemcpyDtoH(&out, here + 5, 1));
  CHECK_EQUAL(out, 3);
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(peer_access_follows_the_matrix) {
  const Two two("none");
  int can = 1;
  CHECK_OK(cuDeviceCanAccessPeer(&can, 0, 1));
  CHECK_EQUAL(can, 0);
  CHECK_EQUAL(cuCtxEnablePeerAccess(two.contexts[1], 0), CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
  CHECK_EQUAL(nvsim_set_peer(0, 1, 1), 0);
  CHECK_OK(cuDeviceCanAccessPeer(&can, 0, 1));
  CHECK_EQUAL(can, 1);
  CHECK_OK(cuDeviceCanAccessPeer(&can, 1, 0));
  CHECK_EQUAL(can, 0);
  CHECK_OK(cuCtxEnablePeerAccess(two.contexts[1], 0));
  CHECK_EQUAL(cuCtxEnablePeerAccess(two.contexts[1], 0), CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
  CHECK_OK(cuCtxDisablePeerAccess(two.contexts[1]));
  CHECK_EQUAL(cuCtxDisablePeerAccess(two.contexts[1]), CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
}

TEST(a_kernel_reaches_a_peers_memory_only_with_access) {
  const Two two("all");
  CUmodule module = nullptr;
  CUfunction kernel = nullptr;
  CHECK_OK(cuModuleLoad(&module, NVSIM_TEST_KERNELS));
  CHECK_OK(cuModuleGetFunction(&kernel, module, "overrun"));
  CHECK_OK(cuCtxPushCurrent(two.contexts[1]));
  CUdeviceptr there = make_memory(4096);
  CHECK_OK(cuCtxPopCurrent(nullptr));
  unsigned long offset = 0;
  void *parameters[] = {&there, &offset};
  CHECK_OK(cuCtxEnablePeerAccess(two.contexts[1], 0));
  CHECK_OK(cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
  CHECK_OK(cuStreamSynchronize(nullptr));
  CHECK_OK(cuCtxDisablePeerAccess(two.contexts[1]));
  CHECK_OK(cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
  CHECK_EQUAL(cuStreamSynchronize(nullptr), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK(reported("without peer access"));
}

TEST(each_device_has_a_limit_of_its_own) {
  const Two two("all");
  CHECK_EQUAL(nvsim_set_memory_limit(0, 4096), 0);
  CUdeviceptr memory = 0;
  CHECK_EQUAL(cuMemAlloc(&memory, 8192), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_OK(cuCtxPushCurrent(two.contexts[1]));
  CHECK_OK(cuMemAlloc(&memory, 8192));
}
