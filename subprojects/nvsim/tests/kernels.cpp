// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fstream>
#include <iterator>

#include "harness.hpp"

using harness::make_memory;
using harness::make_stream;
using harness::reported;
using harness::start;

namespace {

struct CopyJob {
  CUdeviceptr source;
  CUdeviceptr target;
  unsigned long source_pitch, target_pitch;
  unsigned width, height;
};

CUmodule load() {
  CUmodule module = nullptr;
  CHECK_OK(cuModuleLoad(&module, NVSIM_TEST_KERNELS));
  return module;
}

CUfunction function(CUmodule module, const char *name) {
  CUfunction found = nullptr;
  CHECK_OK(cuModuleGetFunction(&found, module, name));
  return found;
}

CUresult launch(CUfunction kernel, unsigned blocks, unsigned threads, CUstream stream,
                std::vector<void *> parameters) {
  return cuLaunchKernel(kernel, blocks, 1, 1, threads, 1, 1, 0, stream, parameters.data(), nullptr);
}

}  // namespace

TEST(a_kernel_runs_for_every_thread_of_every_block) {
  start();
  const CUfunction kernel = function(load(), "fill_to_the_end");
  CUdeviceptr memory = make_memory(1000);
  CHECK_OK(cuMemsetD8(memory, 0, 1000));
  unsigned char value = 9;
  unsigned count = 777;
  CHECK_OK(launch(kernel, 8, 128, nullptr, {&memory, &value, &count}));
  value = 1;  // parameters are copied by the launch
  unsigned char out[1000];
  CHECK_OK(cuMemcpyDtoH(out, memory, 1000));
  for (unsigned i = 0; i < 1000; ++i) CHECK_EQUAL(out[i], i < 777 ? 9 : 0);
  CHECK_EQUAL(nvsim_counter("kernel.launched"), 1);
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(pointers_in_a_structure_are_found_by_its_visit_function) {
  start();
  const CUfunction kernel = function(load(), "copy_rectangle");
  CopyJob job{make_memory(64 * 8), make_memory(128 * 8), 64, 128, 48, 8};
  CHECK_OK(cuMemsetD8(job.source, 5, 64 * 8));
  CHECK_OK(cuMemsetD8(job.target, 0, 128 * 8));
  void *parameters[] = {&job};
  CHECK_OK(cuLaunchKernel(kernel, 2, 1, 1, 32, 8, 1, 0, nullptr, parameters, nullptr));
  unsigned char out[128 * 8];
  CHECK_OK(cuMemcpyDtoH(out, job.target, sizeof out));
  for (unsigned i = 0; i < sizeof out; ++i) CHECK_EQUAL(out[i], i % 128 < 48 ? 5 : 0);
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(an_image_in_memory_is_a_module_too) {
  start();
  std::ifstream file(NVSIM_TEST_KERNELS, std::ios::binary);
  const std::string image((std::istreambuf_iterator<char>(file)), {});
  CUmodule module = nullptr;
  CHECK_OK(cuModuleLoadData(&module, image.data()));
  function(module, "overrun");
}

TEST(kernels_of_a_foreign_image_are_found_by_name) {
  setenv("NVSIM_KERNELS", NVSIM_TEST_KERNELS, 1);
  start();
  CUmodule module = nullptr;
  CHECK_OK(cuModuleLoadData(&module, ".version 7.0 // PTX made by nvcc"));
  function(module, "fill_to_the_end");
  CUfunction none = nullptr;
  CHECK_EQUAL(cuModuleGetFunction(&none, module, "no_such_kernel"), CUDA_ERROR_NOT_FOUND);
  CHECK(reported("kernel 'no_such_kernel' has no host build"));
}

TEST(a_kernel_that_runs_over_the_end_fails_the_process) {
  start();
  const CUfunction kernel = function(load(), "overrun");
  CUdeviceptr memory = make_memory(4096);
  unsigned long offset = 4096;
  CHECK_OK(launch(kernel, 1, 1, nullptr, {&memory, &offset}));
  CHECK_EQUAL(cuStreamSynchronize(nullptr), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK(reported("'overrun'"));
  CHECK(reported("0 bytes past the end of 'cuMemAlloc'"));
}

TEST(a_kernel_that_runs_under_the_start_fails_the_process) {
  start();
  const CUfunction kernel = function(load(), "overrun");
  CUdeviceptr memory = make_memory(4096);
  unsigned long offset = ~0ul;
  CHECK_OK(launch(kernel, 1, 1, nullptr, {&memory, &offset}));
  CHECK_EQUAL(cuStreamSynchronize(nullptr), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK(reported("1 bytes before 'cuMemAlloc'"));
}

TEST(the_guard_begins_where_memory_of_whole_512_bytes_ends) {
  start();
  const CUfunction kernel = function(load(), "overrun");
  CUdeviceptr memory = make_memory(1024);
  unsigned long offset = 1024;
  CHECK_OK(launch(kernel, 1, 1, nullptr, {&memory, &offset}));
  CHECK_EQUAL(cuStreamSynchronize(nullptr), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK(reported("0 bytes past the end of 'cuMemAlloc'"));
}

TEST(a_write_into_the_slack_is_found_when_the_memory_ends) {
  start();
  const CUfunction kernel = function(load(), "overrun");
  CUdeviceptr memory = make_memory(1000);
  unsigned long offset = 1003;
  CHECK_OK(launch(kernel, 1, 1, nullptr, {&memory, &offset}));
  CHECK_OK(cuStreamSynchronize(nullptr));
  CHECK_OK(cuMemFree(memory));
  CHECK(reported("4 bytes past its end"));
}

TEST(a_pointer_that_nobody_declared_is_trapped) {
  start();
  const CUfunction kernel = function(load(), "follow_hidden_pointer");
  CUdeviceptr memory = make_memory(4096);
  CHECK_OK(launch(kernel, 1, 1, nullptr, {&memory}));
  CHECK_EQUAL(cuStreamSynchronize(nullptr), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK(reported("did not come as a kernel argument"));
}

TEST(kernels_race_by_what_they_declare) {
  start();
  const CUfunction kernel = function(load(), "fill_rows");
  CUdeviceptr memory = make_memory(1024 * 8);
  CUdeviceptr right = memory + 512;
  unsigned long pitch = 1024;
  unsigned width = 512;
  unsigned height = 8;
  const CUstream one = make_stream();
  const CUstream two = make_stream();
  nvsim_hold_all(1);
  CHECK_OK(launch(kernel, 4, 128, one, {&memory, &pitch, &width, &height}));
  CHECK_OK(launch(kernel, 4, 128, two, {&right, &pitch, &width, &height}));
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK_OK(launch(kernel, 4, 128, two, {&memory, &pitch, &width, &height}));
  CHECK_EQUAL(nvsim_violations(), 1);
  nvsim_hold_all(0);
}

TEST(a_launch_of_no_threads_or_too_many_is_refused) {
  start();
  const CUfunction kernel = function(load(), "overrun");
  CUdeviceptr memory = make_memory(16);
  unsigned long offset = 0;
  CHECK_EQUAL(launch(kernel, 0, 1, nullptr, {&memory, &offset}), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(launch(kernel, 1, 1025, nullptr, {&memory, &offset}), CUDA_ERROR_INVALID_VALUE);
}
