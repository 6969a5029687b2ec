// SPDX-License-Identifier: LGPL-2.1-or-later
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "harness.hpp"

using harness::make_memory;
using harness::make_stream;
using harness::reported;
using harness::start;

TEST(what_is_copied_in_comes_out_again) {
  start();
  const CUdeviceptr memory = make_memory(1000);
  std::vector<unsigned char> in(1000);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<unsigned char>(i * 7);
  std::vector<unsigned char> out(1000);
  CHECK_OK(cuMemcpyHtoD(memory, in.data(), in.size()));
  CHECK_OK(cuMemcpyDtoH(out.data(), memory, out.size()));
  CHECK(in == out);
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(a_rectangle_is_copied_with_its_pitches_and_origin) {
  start();
  CUdeviceptr memory = 0;
  std::size_t pitch = 0;
  CHECK_OK(cuMemAllocPitch(&memory, &pitch, 100, 10, 16));
  CHECK(pitch >= 100);
  CHECK_OK(cuMemsetD2D8(memory, pitch, 0, 100, 10));
  unsigned char in[4][6];
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 6; ++x) in[y][x] = static_cast<unsigned char>(10 * y + x + 1);
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = in;
  copy.srcPitch = 6;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = memory;
  copy.dstPitch = pitch;
  copy.dstXInBytes = 50;
  copy.dstY = 3;
  copy.WidthInBytes = 6;
  copy.Height = 4;
  CHECK_OK(cuMemcpy2D(&copy));
  std::vector<unsigned char> out(pitch * 10);
  CHECK_OK(cuMemcpyDtoH(out.data(), memory, out.size()));
  for (std::size_t y = 0; y < 10; ++y)
    for (std::size_t x = 0; x < 100; ++x) {
      const bool inside = y >= 3 && y < 7 && x >= 50 && x < 56;
      CHECK_EQUAL(out[y * pitch + x], inside ? in[y - 3][x - 50] : 0);
    }
}

TEST(fills_write_elements_of_their_size) {
  start();
  const CUdeviceptr memory = make_memory(64);
  unsigned out[16];
  CHECK_OK(cuMemsetD32(memory, 0x01020304u, 16));
  CHECK_OK(cuMemsetD16(memory + 4, 0xabcd, 2));
  CHECK_OK(cuMemsetD8(memory + 8, 0x77, 1));
  CHECK_OK(cuMemcpyDtoH(out, memory, sizeof out));
  CHECK_EQUAL(out[0], 0x01020304u);
  CHECK_EQUAL(out[1], 0xabcdabcdu);
  CHECK_EQUAL(out[2], 0x01020377u);
}

TEST(host_code_that_touches_device_memory_dies_of_it) {
  start();
  const CUdeviceptr memory = make_memory(4096);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    *reinterpret_cast<volatile char *>(memory) = 1;
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST(no_address_is_given_out_twice) {
  start();
  std::set<CUdeviceptr> seen;
  for (int i = 0; i < 200; ++i) {
    const CUdeviceptr memory = make_memory(100000);
    CHECK(seen.insert(memory).second);
    CHECK_OK(cuMemFree(memory));
  }
  CHECK_EQUAL(nvsim_counter("memory.live"), 0);
  CHECK_EQUAL(nvsim_counter("memory.bytes"), 0);
  CHECK_EQUAL(nvsim_counter("memory.allocated"), 200);
}

TEST(a_double_free_is_refused_and_says_who_was_first) {
  start();
  const CUdeviceptr memory = make_memory(4096);
  CHECK_OK(cuMemFree(memory));
  CHECK_EQUAL(cuMemFree(memory), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(nvsim_violations(), 1);
  CHECK(reported("after cuMemFree on thread"));
}

TEST(a_pointer_into_the_middle_is_not_freed) {
  start();
  const CUdeviceptr memory = make_memory(4096);
  CHECK_EQUAL(cuMemFree(memory + 16), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemFree(memory));
}

TEST(use_after_free_is_an_illegal_address_for_the_whole_process) {
  const CUcontext first = start();
  CUcontext second = nullptr;
  CHECK_OK(cuCtxCreate_v2(&second, 0, 0));
  CHECK_OK(cuCtxSetCurrent(first));
  const CUstream stream = make_stream();
  const CUdeviceptr memory = make_memory(4096);
  const CUdeviceptr other = make_memory(4096);
  nvsim_set_free_waits(0);
  CHECK_EQUAL(nvsim_hold(stream, 1), 0);
  CHECK_OK(cuMemcpyDtoDAsync(other, memory, 4096, stream));
  CHECK_OK(cuMemFree(memory));
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK_EQUAL(nvsim_hold(stream, 0), 0);
  CHECK_EQUAL(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_EQUAL(nvsim_violations(), 1);
  CHECK(reported("'cuMemcpyDtoDAsync'"));
  CHECK(reported("after cuMemFree on thread"));

  CUdeviceptr more = 0;
  CUcontext third = nullptr;
  CHECK_EQUAL(cuMemAlloc(&more, 16), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_OK(cuCtxSetCurrent(second));
  CHECK_EQUAL(cuMemAlloc(&more, 16), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_EQUAL(cuCtxCreate_v2(&third, 0, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_EQUAL(cuDevicePrimaryCtxRetain(&third, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_OK(cuCtxDestroy(second));
  CHECK_EQUAL(nvsim_violations(), 1);
}

TEST(a_copy_of_freed_memory_is_refused_and_harms_nothing) {
  start();
  const CUdeviceptr memory = make_memory(4096);
  const CUdeviceptr other = make_memory(4096);
  CHECK_OK(cuMemFree(memory));
  CHECK_EQUAL(cuMemcpyDtoDAsync(other, memory, 16, nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK(reported("read of 'cuMemAlloc'"));
  CHECK(reported("after cuMemFree on thread"));
  CHECK_OK(cuStreamSynchronize(nullptr));
}

TEST(a_copy_past_the_end_is_refused_to_the_byte_and_harms_nothing) {
  start();
  const CUdeviceptr memory = make_memory(1000);
  CHECK_OK(cuMemsetD8Async(memory, 0, 1000, nullptr));
  CHECK_EQUAL(cuMemsetD8Async(memory, 0, 1001, nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuStreamSynchronize(nullptr));
  CHECK(reported("past the end of 'cuMemAlloc'"));
  CHECK(reported("by 1 bytes"));
}

TEST(a_free_waits_for_the_contexts_work) {
  start();
  const CUstream stream = make_stream();
  const CUdeviceptr memory = make_memory(4096);
  const CUdeviceptr unrelated = make_memory(4096);
  nvsim_set_delay(2000, 1);
  for (int i = 0; i < 5; ++i) CHECK_OK(cuMemsetD8Async(memory, 1, 4096, stream));
  CHECK_OK(cuMemFree(unrelated));
  CHECK_EQUAL(nvsim_pending(stream), 0);
}

TEST(the_limit_of_a_device_holds) {
  start();
  CHECK_EQUAL(nvsim_set_memory_limit(0, 1 << 20), 0);
  CUdeviceptr memory = 0;
  CUdeviceptr more = 0;
  CHECK_OK(cuMemAlloc(&memory, 1 << 20));
  CHECK_EQUAL(cuMemAlloc(&more, 1), CUDA_ERROR_OUT_OF_MEMORY);
  std::size_t available = 1;
  std::size_t total = 0;
  CHECK_OK(cuMemGetInfo(&available, &total));
  CHECK_EQUAL(available, 0u);
  CHECK_EQUAL(total, 1u << 20);
  CHECK_OK(cuMemFree(memory));
  CHECK_OK(cuMemAlloc(&more, 1));
}

TEST(pinned_memory_is_the_hosts_and_the_devices) {
  start();
  const CUstream stream = make_stream();
  const CUdeviceptr memory = make_memory(4096);
  void *pinned = nullptr;
  CHECK_OK(cuMemAllocHost(&pinned, 4096));
  std::memset(pinned, 0x5a, 4096);
  // A pinned source is read when the stream gets there, not at the call.
  CHECK_EQUAL(nvsim_hold(stream, 1), 0);
  CHECK_OK(cuMemcpyHtoDAsync(memory, pinned, 4096, stream));
  std::memset(pinned, 0xa5, 4096);
  CHECK_EQUAL(nvsim_hold(stream, 0), 0);
  CHECK_OK(cuStreamSynchronize(stream));
  unsigned char out = 0;
  CHECK_OK(cuMemcpyDtoH(&out, memory + 100, 1));
  CHECK_EQUAL(out, 0xa5);
  CHECK_OK(cuMemFreeHost(pinned));
  CHECK_EQUAL(cuMemFreeHost(pinned), CUDA_ERROR_INVALID_VALUE);
}

TEST(a_pageable_source_is_read_at_the_call) {
  start();
  const CUstream stream = make_stream();
  const CUdeviceptr memory = make_memory(4096);
  std::vector<unsigned char> source(4096, 0x5a);
  CHECK_EQUAL(nvsim_hold(stream, 1), 0);
  CHECK_OK(cuMemcpyHtoDAsync(memory, source.data(), 4096, stream));
  std::memset(source.data(), 0xa5, 4096);
  CHECK_EQUAL(nvsim_hold(stream, 0), 0);
  CHECK_OK(cuStreamSynchronize(stream));
  unsigned char out = 0;
  CHECK_OK(cuMemcpyDtoH(&out, memory + 100, 1));
  CHECK_EQUAL(out, 0x5a);
}

TEST(new_memory_is_not_zero) {
  start();
  const CUdeviceptr memory = make_memory(4096);
  unsigned char out = 0;
  CHECK_OK(cuMemcpyDtoH(&out, memory + 1000, 1));
  CHECK_EQUAL(out, 0xcd);
}

TEST(a_pointer_knows_its_allocation) {
  const CUcontext context = start();
  const CUdeviceptr memory = make_memory(4096);
  CUdeviceptr base = 0;
  std::size_t size = 0;
  CHECK_OK(cuMemGetAddressRange(&base, &size, memory + 77));
  CHECK_EQUAL(base, memory);
  CHECK_EQUAL(size, 4096u);
  CUcontext owner = nullptr;
  CHECK_OK(cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, memory));
  CHECK(owner == context);
  unsigned type = 0;
  CHECK_OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, memory));
  CHECK_EQUAL(type, unsigned{CU_MEMORYTYPE_DEVICE});
  CHECK_EQUAL(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                    reinterpret_cast<CUdeviceptr>(&type)),
              CUDA_ERROR_INVALID_VALUE);
}

TEST(the_end_of_a_context_ends_its_memory) {
  const CUcontext first = start();
  const CUdeviceptr memory = make_memory(4096);
  CHECK_OK(cuCtxDestroy(first));
  CHECK_EQUAL(nvsim_counter("memory.live"), 0);
  CHECK_EQUAL(nvsim_counter("context.memory_left_behind"), 1);
  start();
  CHECK_EQUAL(cuMemFree(memory), CUDA_ERROR_INVALID_VALUE);
  CHECK(reported("after cuCtxDestroy on thread"));
}
