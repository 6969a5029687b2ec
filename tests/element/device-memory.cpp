// SPDX-License-Identifier: LGPL-2.1-or-later
/// The device's memory under the slots, on a GPU, real or simulated: what a camera takes of it,
/// that it can be shared, and when it goes. Skipped without a GPU.
#include <unistd.h>

#include <string>

// After the standard library, whose streams have members by the names of check's macros.
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "cuda/stream.hpp"
#include "memory-bench.hpp"
#include "support/check-main.hpp"
#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"
#include "support/wait-until.hpp"

using cudacam::adopt;
using cudacam::driver;
using cudacam::test::cuda_caps;
using cudacam::test::info_of;
using cudacam::test::kRow;
using cudacam::test::make_context;
using cudacam::test::Mapped;
using cudacam::test::number;
using cudacam::test::our_memory;
using cudacam::test::SimulatedDriver;
using cudacam::test::write_by_gpu;

namespace {

constexpr gsize kGranule = 2 << 20;

/// A camera's slots.
class Pool {
 public:
  Pool(GstCudaContext *context, const GstVideoInfo &info, const char *slots)
      : harness_(gst_harness_new("cudacampool")) {
    auto *share = gst_context_new_cuda_context(context);
    gst_element_set_context(harness_->element, share);
    gst_context_unref(share);
    gst_util_set_object_arg(G_OBJECT(harness_->element), "slots", slots);
    gst_harness_set_src_caps(harness_, cuda_caps(info).release());
  }
  ~Pool() { gst_harness_teardown(harness_); }
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;
  GstHarness *harness() const { return harness_; }
  guint64 bytes() const { return number(harness_->element, "bytes"); }

 private:
  GstHarness *harness_;
};

/// Memory goes on a thread of its own.
void await_memory(const SimulatedDriver &simulated, gint64 bytes) {
  if (simulated)
    cudacam::test::wait_until([&] { return simulated.counter("memory.bytes") == bytes; });
}

void expect_bytes(const char *format, int width, int height, gsize of_a_slot) {
  const SimulatedDriver simulated;
  const auto context = make_context();
  const auto before = simulated.counter("memory.bytes");
  {
    const Pool pool(context.get(), info_of(format, width, height), "5");
    fail_unless_equals_uint64(pool.bytes(), 6 * of_a_slot);
    if (simulated)
      fail_unless_equals_int64(simulated.counter("memory.bytes") - before,
                               static_cast<gint64>(6 * of_a_slot));
  }
  await_memory(simulated, before);
}

}  // namespace

GST_START_TEST(a_camera_takes_so_many_bytes_and_says_so) {
  // 2048 x 1080 x 1.5 and 4096 x 2160 x 1.5 bytes, in granules.
  expect_bytes("NV12", 1920, 1080, 2 * kGranule);
  expect_bytes("NV12", 3840, 2160, 7 * kGranule);
  expect_bytes("NV12", 320, 240, kGranule);
}
GST_END_TEST

GST_START_TEST(too_little_memory_is_an_error_with_call_code_device_and_sizes) {
  const SimulatedDriver simulated;
  auto *limit = cudacam::test::find_call<int(int, guint64)>("nvsim_set_memory_limit");
  if (!simulated) return;
  const auto context = make_context();
  limit(0, 5 * kGranule);
  GstHarness *harness = gst_harness_new("cudacampool");
  auto *share = gst_context_new_cuda_context(context.get());
  gst_element_set_context(harness->element, share);
  gst_context_unref(share);
  const auto bus = adopt(gst_bus_new());
  gst_element_set_bus(harness->element, bus.get());
  gst_harness_set_src_caps(harness, cuda_caps(info_of("NV12", 1920, 1080)).release());
  const cudacam::MessagePtr message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
  fail_unless(message != nullptr);
  GError *error = nullptr;
  gst_message_parse_error(message.get(), &error, nullptr);
  const cudacam::ErrorPtr owned(error);
  fail_unless(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT));
  for (const char *part : {"CUDA device 0", "cuMemCreate", "CUDA_ERROR_OUT_OF_MEMORY", "4194304",
                           "2097152 bytes are free"})
    fail_unless(strstr(error->message, part), "no %s in: %s", part, error->message);
  gst_element_set_bus(harness->element, nullptr);
  gst_harness_teardown(harness);
  await_memory(simulated, 0);
}
GST_END_TEST

GST_START_TEST(where_nothing_can_be_shared_memory_is_ordinary) {
  const SimulatedDriver simulated;
  if (!simulated) return;
  g_setenv("NVSIM_VMM", "0", TRUE);
  expect_bytes("NV12", 1920, 1080, 2048 * 1620);
  fail_unless_equals_uint64(simulated.calls("cuMemCreate"), 0);
  fail_unless_equals_uint64(simulated.calls("cuMemAlloc"), 6);
  fail_unless_equals_uint64(simulated.calls("cuMemFree"), 6);
}
GST_END_TEST

GST_START_TEST(a_slot_can_be_shared_with_other_processes) {
  const auto context = make_context();
  const cudacam::ContextScope scope(context.get());
  const auto memory = our_memory(context.get(), info_of("NV12", 64, 48));
  write_by_gpu(memory.get(), 42);
  const Mapped map(memory.get(), GST_MAP_READ | GST_MAP_CUDA);
  CUmemGenericAllocationHandle handle = 0, imported = 0;
  CUDA_CALL(cuMemRetainAllocationHandle)(&handle, reinterpret_cast<void *>(map.device()));
  int file = -1;
  CUDA_CALL(cuMemExportToShareableHandle)
  (static_cast<void *>(&file), handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0ull);
  CUDA_CALL(cuMemImportFromShareableHandle)
  (&imported, reinterpret_cast<void *>(static_cast<guintptr>(file)),
   CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
  close(file);
  CUdeviceptr elsewhere = 0;
  CUDA_CALL(cuMemAddressReserve)(&elsewhere, kGranule, gsize{0}, CUdeviceptr{0}, 0ull);
  CUDA_CALL(cuMemMap)(elsewhere, kGranule, gsize{0}, imported, 0ull);
  CUmemAccessDesc access{};
  access.location = {CU_MEM_LOCATION_TYPE_DEVICE, {0}};
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READ;
  CUDA_CALL(cuMemSetAccess)(elsewhere, kGranule, &access, gsize{1});
  guint8 seen = 0;
  CUDA_CALL(cuMemcpyDtoH)(static_cast<void *>(&seen), elsewhere + kRow / 2, gsize{1});
  fail_unless_equals_int(seen, 42);
  CUDA_CALL(cuMemUnmap)(elsewhere, kGranule);
  CUDA_CALL(cuMemAddressFree)(elsewhere, kGranule);
  CUDA_CALL(cuMemRelease)(imported);
  CUDA_CALL(cuMemRelease)(handle);
}
GST_END_TEST

GST_START_TEST(it_goes_when_the_gpu_has_done_with_it) {
  const SimulatedDriver simulated;
  if (!simulated) return;  // on a real one the process would be lost
  const auto context = make_context();
  const cudacam::DeviceAllocator allocator(context.get());
  auto source = allocator.allocate(4096);
  const auto target = allocator.allocate(4096);
  const cudacam::Stream stream(context.get(), CU_STREAM_NON_BLOCKING);
  simulated.delay(20000, 1);
  CUDA_CALL(cuMemcpyDtoDAsync)(target->address(), source->address(), gsize{4096}, stream.handle());
  source.reset();
  driver().cuStreamSynchronize(stream.handle());
  fail_unless_equals_int(simulated.violations(), 0);
}
GST_END_TEST

GST_START_TEST(a_failure_half_way_leaves_nothing_behind) {
  const SimulatedDriver simulated;
  if (!simulated) return;
  const auto context = make_context();
  for (const char *call : {"cuMemCreate", "cuMemAddressReserve", "cuMemMap", "cuMemSetAccess"}) {
    simulated.fault(std::string(call) + "@1=CUDA_ERROR_UNKNOWN");
    std::string said;
    try {
      cudacam::DeviceAllocator(context.get()).allocate(4096);
    } catch (const cudacam::CudaError &error) {
      said = error.what();
    }
    fail_unless(said.find(call) == 0, "%s: %s", call, said.c_str());
    for (const char *counter : {"physical.live", "reservation.live", "memory.bytes"})
      fail_unless_equals_int64(simulated.counter(counter), 0);
  }
}
GST_END_TEST

static Suite *device_memory_suite() {
  auto *suite = suite_create("device-memory");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_camera_takes_so_many_bytes_and_says_so);
  tcase_add_test(tests, too_little_memory_is_an_error_with_call_code_device_and_sizes);
  tcase_add_test(tests, where_nothing_can_be_shared_memory_is_ordinary);
  tcase_add_test(tests, a_slot_can_be_shared_with_other_processes);
  tcase_add_test(tests, it_goes_when_the_gpu_has_done_with_it);
  tcase_add_test(tests, a_failure_half_way_leaves_nothing_behind);
  return suite;
}

CHECK_MAIN_UNLESS(device_memory, !cudacam::test::have_gpu() ? "no GPU" : "")
