// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What README.md says of the environment's variables and of counters. Those that the wrapper sets
// are in wrapper.sh.
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "harness.hpp"

using harness::make_memory;
using harness::make_stream;
using harness::reported;
using harness::start;

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

void set(const char *name, const std::string &value) {
  CHECK(setenv(name, value.c_str(), 1) == 0);
}

class TemporaryFile {
 public:
  TemporaryFile() { close(mkstemp(name_)); }
  ~TemporaryFile() { unlink(name_); }
  const char *name() const { return name_; }
  std::string content() const {
    std::ifstream file(name_);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

 private:
  char name_[32] = "/tmp/nvsim-test-XXXXXX";
};

void free_twice() {
  const CUdeviceptr memory = make_memory(16);
  CHECK_OK(cuMemFree(memory));
  CHECK_EQUAL(cuMemFree(memory), CUDA_ERROR_INVALID_VALUE);
}

void write_on_two_streams() {
  const CUdeviceptr memory = make_memory(16);
  for (int i = 0; i < 2; ++i) CHECK_OK(cuMemsetD8Async(memory, 1, 16, make_stream()));
}

}  // namespace

TEST(memory_of_each_device) {
  set("NVSIM_MEM_MB", "3");
  start();
  std::size_t available = 0, total = 0;
  CHECK_OK(cuMemGetInfo(&available, &total));
  CHECK_EQUAL(total, 3 * kMiB);
  CUdeviceptr memory = 0;
  CHECK_EQUAL(cuMemAlloc(&memory, 4 * kMiB), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_OK(cuMemAlloc(&memory, 2 * kMiB));
}

TEST(the_drivers_version) {
  set("NVSIM_DRIVER_VERSION", "12020");
  int version = 0;
  CHECK_OK(cuDriverGetVersion(&version));
  CHECK_EQUAL(version, 12020);
}

TEST(the_unit_of_pitches) {
  set("NVSIM_PITCH_ALIGN", "128");
  start();
  CUdeviceptr memory = 0;
  std::size_t pitch = 0;
  CHECK_OK(cuMemAllocPitch(&memory, &pitch, 130, 2, 16));
  CHECK_EQUAL(pitch, 256u);
}

TEST(faults_of_the_whole_program) {
  set("NVSIM_FAULT", "cuMemAlloc@2=2");
  start();
  CUdeviceptr memory = 0;
  CHECK_OK(cuMemAlloc(&memory, 16));
  CHECK_EQUAL(cuMemAlloc(&memory, 16), CUDA_ERROR_OUT_OF_MEMORY);
}

TEST(faults_that_are_not_understood_are_reported) {
  set("NVSIM_FAULT", "cuMemAlloc@nonsense");
  start();
  CHECK(reported("NVSIM_FAULT=cuMemAlloc@nonsense is not understood"));
}

TEST(memory_may_be_freed_under_work) {
  set("NVSIM_FREE_WAITS", "0");
  start();
  const CUdeviceptr memory = make_memory(16);
  const CUstream stream = make_stream();
  nvsim_hold(stream, 1);
  CHECK_OK(cuMemsetD8Async(memory, 1, 16, stream));
  CHECK_OK(cuMemFree(memory));
  nvsim_hold(stream, 0);
  CHECK_EQUAL(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST(races_are_looked_for) {
  start();
  write_on_two_streams();
  CHECK_EQUAL(nvsim_violations(), 1);
}

TEST(races_may_be_left_alone) {
  set("NVSIM_RACES", "0");
  start();
  write_on_two_streams();
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(reports_go_to_a_file_once) {
  const TemporaryFile file;
  set("NVSIM_LOG", file.name());
  start();
  free_twice();
  const std::string log = file.content();
  CHECK(log.find("VIOLATION: free of") != std::string::npos);
  CHECK(log.find("submitted") == std::string::npos);
}

TEST(the_trace_has_each_operation) {
  const TemporaryFile file;
  set("NVSIM_LOG", file.name());
  set("NVSIM_TRACE", "1");
  start();
  CHECK_OK(cuMemsetD8(make_memory(16), 1, 16));
  CHECK(file.content().find("'cuMemsetD8' submitted") != std::string::npos);
}

TEST(counters_of_memory_that_is_no_allocation) {
  start();
  void *pinned = nullptr;
  CHECK_OK(cuMemAllocHost(&pinned, 16));
  CHECK_EQUAL(nvsim_counter("pinned.live"), 1);
  CHECK_OK(cuMemFreeHost(pinned));
  CHECK_EQUAL(nvsim_counter("pinned.live"), 0);
  CHECK_EQUAL(nvsim_counter("pinned.allocated"), 1);

  CUmemAllocationProp prop{};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  CUmemGenericAllocationHandle physical = 0;
  CHECK_OK(cuMemCreate(&physical, 2 * kMiB, &prop, 0));
  CHECK_EQUAL(nvsim_counter("physical.live"), 1);
  CHECK_OK(cuMemRelease(physical));
  CHECK_EQUAL(nvsim_counter("physical.live"), 0);

  CUdeviceptr reserved = 0;
  CHECK_OK(cuMemAddressReserve(&reserved, 2 * kMiB, 0, 0, 0));
  CHECK_EQUAL(nvsim_counter("reservation.live"), 1);
  CHECK_OK(cuMemAddressFree(reserved, 2 * kMiB));
  CHECK_EQUAL(nvsim_counter("reservation.live"), 0);
}

TEST(counters_of_work) {
  start();
  const CUdeviceptr from = make_memory(16), to = make_memory(16);
  const auto completed = nvsim_counter("operation.completed");
  CHECK_OK(cuMemcpyDtoDAsync(to, from, 16, nullptr));
  CHECK_OK(cuMemsetD8Async(to, 1, 16, nullptr));
  CHECK_OK(cuStreamSynchronize(nullptr));
  CHECK_EQUAL(nvsim_counter("copy.submitted"), 1);
  CHECK_EQUAL(nvsim_counter("operation.completed"), completed + 2);
  CHECK_EQUAL(nvsim_counter("kernel.launched"), 0);
}
