// SPDX-License-Identifier: LGPL-2.1-or-later
#include <thread>

#include "harness.hpp"

using harness::make_memory;
using harness::make_stream;
using harness::reported;
using harness::start;

TEST(the_nth_call_fails_with_its_code) {
  start();
  CHECK_EQUAL(nvsim_fault_add("cuMemAlloc@3=CUDA_ERROR_OUT_OF_MEMORY"), 0);
  CUdeviceptr memory = 0;
  CHECK_OK(cuMemAlloc(&memory, 16));
  CHECK_OK(cuMemAlloc(&memory, 16));
  CHECK_EQUAL(cuMemAlloc(&memory, 16), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_OK(cuMemAlloc(&memory, 16));
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK(reported("note: cuMemAlloc_v2 fails with injected 2"));
}

TEST(a_rule_can_go_on_or_strike_always) {
  start();
  CUstream stream = nullptr;
  CHECK_EQUAL(nvsim_fault_add("cuStreamCreate@2+=2; cuEventCreate@*=OUT_OF_MEMORY"), 0);
  CHECK_OK(cuStreamCreate(&stream, 0));
  CHECK_EQUAL(cuStreamCreate(&stream, 0), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_EQUAL(cuStreamCreate(&stream, 0), CUDA_ERROR_OUT_OF_MEMORY);
  CUevent event = nullptr;
  CHECK_EQUAL(cuEventCreate(&event, 0), CUDA_ERROR_OUT_OF_MEMORY);
  nvsim_fault_clear();
  CHECK_OK(cuStreamCreate(&stream, 0));
}

TEST(each_rule_counts_all_calls_and_the_first_to_strike_decides) {
  start();
  CHECK_EQUAL(nvsim_fault_add("cuMemAlloc@1=2;cuMemAlloc@1=999;cuMemAlloc@2=801"), 0);
  CUdeviceptr memory = 0;
  CHECK_EQUAL(cuMemAlloc(&memory, 16), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_EQUAL(cuMemAlloc(&memory, 16), CUDA_ERROR_NOT_SUPPORTED);
  CHECK_OK(cuMemAlloc(&memory, 16));
}

TEST(nonsense_is_refused_as_a_whole) {
  for (const char *spec : {"", "cuMemAlloc", "cuMemAlloc@", "cuMemAlloc@0=2", "cuMemAlloc@x=2",
                           "cuMemAlloc@1=", "cuMemAlloc@1=NO_SUCH_ERROR", "cuMemAlloc@1!skip",
                           "@1=2", "cuMemAlloc@1=2;garbage"})
    CHECK_EQUAL(nvsim_fault_add(spec), -1);
  start();
  make_memory(16);
}

TEST(an_asynchronous_fault_strikes_when_the_stream_gets_there) {
  start();
  const CUstream stream = make_stream();
  const CUdeviceptr memory = make_memory(16);
  CHECK_EQUAL(nvsim_fault_add("cuMemsetD8Async@1!700"), 0);
  CHECK_EQUAL(nvsim_hold(stream, 1), 0);
  CHECK_OK(cuMemsetD8Async(memory, 1, 16, stream));
  make_memory(16);  // the process still works
  CHECK_EQUAL(nvsim_step(stream, 1), 1);
  CUdeviceptr more = 0;
  CHECK_EQUAL(cuMemAlloc(&more, 16), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_EQUAL(nvsim_error(), CUDA_ERROR_ILLEGAL_ADDRESS);
  nvsim_set_error(0);
  CHECK_OK(cuMemAlloc(&more, 16));
}

TEST(an_asynchronous_fault_in_a_call_without_work_is_a_mistake_of_the_test) {
  start();
  CHECK_EQUAL(nvsim_fault_add("cuMemAlloc@1!700"), 0);
  make_memory(16);
  CHECK_EQUAL(nvsim_violations(), 1);
  CHECK(reported("never struck"));
}

TEST(a_skipped_call_does_nothing_and_succeeds) {
  start();
  const CUdeviceptr memory = make_memory(1);
  CHECK_OK(cuMemsetD8(memory, 1, 1));
  CHECK_EQUAL(nvsim_fault_add("cuMemsetD8@1=skip"), 0);
  CHECK_OK(cuMemsetD8(memory, 2, 1));
  unsigned char out = 0;
  CHECK_OK(cuMemcpyDtoH(&out, memory, 1));
  CHECK_EQUAL(out, 1);
}

TEST(a_synchronous_sticky_code_poisons_the_process) {
  start();
  CHECK_EQUAL(nvsim_fault_add("cuStreamSynchronize@1=CUDA_ERROR_LAUNCH_FAILED"), 0);
  CHECK_EQUAL(cuStreamSynchronize(nullptr), CUDA_ERROR_LAUNCH_FAILED);
  CUdeviceptr memory = 0;
  CHECK_EQUAL(cuMemAlloc(&memory, 16), CUDA_ERROR_LAUNCH_FAILED);
}

TEST(calls_are_counted_by_thread_and_context) {
  const CUcontext context = start();
  make_memory(16);
  std::thread([&] {
    CHECK_OK(cuCtxPushCurrent(context));
    make_memory(16);
    make_memory(16);
    CHECK_EQUAL(nvsim_calls_by_thread("cuMemAlloc"), 2);
  }).join();
  CHECK_EQUAL(nvsim_calls("cuMemAlloc"), 3);
  CHECK_EQUAL(nvsim_calls("cuMemAlloc_v2"), 3);
  CHECK_EQUAL(nvsim_calls_by_thread("cuMemAlloc"), 1);
  CHECK_EQUAL(nvsim_calls_in_context("cuMemAlloc", context), 3);
  CUcontext second = nullptr;
  CHECK_OK(cuCtxCreate_v2(&second, 0, 0));
  make_memory(16);
  CHECK_EQUAL(nvsim_calls_in_context("cuMemAlloc", context), 3);
  CHECK_EQUAL(nvsim_calls_in_context("cuMemAlloc", second), 1);
}

TEST(what_is_not_simulated_says_its_name) {
  start();
  CUdeviceptr memory = 0;
  CHECK_EQUAL(cuMemAllocManaged(&memory, 16, CU_MEM_ATTACH_GLOBAL), CUDA_ERROR_NOT_SUPPORTED);
  CHECK(reported("managed memory is not simulated"));
  CUgraph graph = nullptr;
  CHECK_EQUAL(cuGraphCreate(&graph, 0), CUDA_ERROR_NOT_SUPPORTED);
  CHECK(reported("cuGraphCreate is not simulated"));
}

TEST(nothing_works_before_cuInit) {
  int count = 0;
  CHECK_EQUAL(cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
  CHECK_OK(cuDriverGetVersion(&count));
}

TEST(errors_have_names) {
  const char *name = nullptr;
  CHECK_OK(cuGetErrorName(CUDA_ERROR_ILLEGAL_ADDRESS, &name));
  CHECK(!std::strcmp(name, "CUDA_ERROR_ILLEGAL_ADDRESS"));
  CHECK_EQUAL(cuGetErrorName(static_cast<CUresult>(12345), &name), CUDA_ERROR_INVALID_VALUE);
  CHECK(name == nullptr);
}
