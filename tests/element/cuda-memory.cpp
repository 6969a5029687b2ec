// SPDX-License-Identifier: LGPL-2.1-or-later
/// The memory of slots on a GPU, real or simulated: how it is laid out, what it takes, and that it
/// behaves as GStreamer's own. Skipped without a GPU.
#include <unistd.h>

#include <random>
#include <string>
#include <vector>

// After the standard library, whose streams have members by the names of check's macros.
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "cuda/compat.hpp"
#include "cuda/device-memory.hpp"
#include "cuda/frame-layout.hpp"
#include "cuda/stream.hpp"
#include "support/driver-calls.hpp"
#include "support/pixels.hpp"
#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"
#include "support/stock-memory.hpp"
#include "support/wait-until.hpp"

using cudacam::adopt;
using cudacam::BufferPtr;
using cudacam::CudaContextPtr;
using cudacam::driver;
using cudacam::MemoryPtr;
using cudacam::test::number;
using cudacam::test::SimulatedDriver;
using cudacam::test::stock_memory;

namespace {

constexpr int kSkipped = 77;
constexpr gsize kGranule = 2 << 20;

const char *const kFormats[] = {"NV12", "NV21", "P010_10LE", "I420", "YV12", "YUY2", "UYVY",
                                "RGBA", "BGRx", "RGB",       "Y444", "Y42B", "GBRA", "GRAY8"};

CudaContextPtr make_context() {
  fail_unless(gst_cuda_load_library());
  gst_cuda_memory_init_once();
  auto context = adopt(gst_cuda_context_new(0));
  fail_unless(context != nullptr);
  return context;
}

GstVideoInfo info_of(const char *format, int width, int height) {
  GstVideoInfo info;
  fail_unless(
      gst_video_info_set_format(&info, gst_video_format_from_string(format), width, height));
  return info;
}

cudacam::CapsPtr cuda_caps(const GstVideoInfo &info) {
  cudacam::CapsPtr caps(gst_video_info_to_caps(&info));
  gst_caps_set_features(caps.get(), 0, gst_caps_features_new("memory:CUDAMemory", nullptr));
  return caps;
}

MemoryPtr our_memory(GstCudaContext *context, const GstVideoInfo &info) {
  const auto stream = cudacam::compat::make_producer_stream(context);
  const cudacam::DeviceAllocator allocator(context);
  const auto layout = cudacam::frame_layout(info, allocator.row_alignment());
  return cudacam::compat::wrap(context, *stream, layout, allocator.allocate(layout.size));
}

/// A mapping for a scope.
class Mapped {
 public:
  Mapped(GstMemory *memory, int access) : memory_(memory) {
    fail_unless(gst_memory_map(memory, &info_, GstMapFlags(access)));
  }
  ~Mapped() { gst_memory_unmap(memory_, &info_); }
  Mapped(const Mapped &) = delete;
  Mapped &operator=(const Mapped &) = delete;
  guint8 *bytes() const { return info_.data; }
  gsize size() const { return info_.size; }
  CUdeviceptr device() const { return reinterpret_cast<CUdeviceptr>(info_.data); }

 private:
  GstMemory *memory_;
  GstMapInfo info_;
};

/// The flags that say what is to be transferred.
int transfers(GstMemory *memory) {
  return (GST_MEMORY_FLAG_IS_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD) ? 1 : 0) |
         (GST_MEMORY_FLAG_IS_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_UPLOAD) ? 2 : 0);
}

/// What users of a memory do. Each returns the bytes of the first row that it saw.
using Bytes = std::vector<guint8>;
constexpr gsize kRow = 64;

Bytes read_by_cpu(GstMemory *memory, guint8) {
  const Mapped map(memory, GST_MAP_READ);
  return {map.bytes(), map.bytes() + kRow};
}
Bytes write_by_cpu(GstMemory *memory, guint8 value) {
  const Mapped map(memory, GST_MAP_WRITE);
  std::fill_n(map.bytes(), kRow / 2, value);
  return {map.bytes(), map.bytes() + kRow};
}
Bytes read_by_gpu(GstMemory *memory, guint8) {
  const Mapped map(memory, GST_MAP_READ | GST_MAP_CUDA);
  Bytes row(kRow);
  const cudacam::ContextScope scope(GST_CUDA_MEMORY_CAST(memory)->context);
  cudacam::compat::wait_for_producer(memory);
  CUDA_CALL(cuMemcpyDtoH)(static_cast<void *>(row.data()), map.device(), kRow);
  return row;
}
Bytes write_by_gpu(GstMemory *memory, guint8 value) {
  const Mapped map(memory, GST_MAP_WRITE | GST_MAP_CUDA);
  const cudacam::ContextScope scope(GST_CUDA_MEMORY_CAST(memory)->context);
  cudacam::compat::wait_for_producer(memory);
  CUDA_CALL(cuMemsetD8)(map.device() + kRow / 4, value, kRow / 2);
  CUDA_CALL(cuStreamSynchronize)(CUstream{nullptr});
  return {};
}
Bytes copy(GstMemory *memory, guint8) {
  const MemoryPtr copied(gst_memory_copy(memory, 0, -1));
  fail_unless(copied && gst_is_cuda_memory(copied.get()));
  auto &from = GST_CUDA_MEMORY_CAST(memory)->info, &to = GST_CUDA_MEMORY_CAST(copied.get())->info;
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES(&from); ++i) {
    fail_unless_equals_uint64(to.offset[i], from.offset[i]);
    fail_unless_equals_int(to.stride[i], from.stride[i]);
  }
  const auto flags = transfers(copied.get());
  write_by_cpu(copied.get(), 99);  // has no effect on the original
  auto row = read_by_gpu(copied.get(), 0);
  row.push_back(static_cast<guint8>(flags));
  return row;
}

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

GST_START_TEST(planes_lie_apart_and_aligned) {
  for (const auto *format : kFormats) {
    for (const auto &[width, height] : {std::pair{1, 1}, {17, 9}, {1919, 1079}, {1920, 1080}}) {
      const auto info = info_of(format, width, height);
      const auto layout = cudacam::frame_layout(info, 512);
      gsize end = 0;
      for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(&layout); ++plane) {
        const auto size = cudacam::plane_size(info, plane);
        fail_unless_equals_uint64(layout.offset[plane], end);
        fail_unless_equals_int(layout.stride[plane] % 512, 0);
        fail_unless(layout.stride[plane] >= static_cast<int>(size.width), "%s", format);
        fail_unless_equals_int(layout.stride[plane], layout.stride[0]);
        end += static_cast<gsize>(layout.stride[plane]) * size.rows;
      }
      fail_unless_equals_uint64(layout.size, end);
    }
  }
}
GST_END_TEST

GST_START_TEST(frames_lie_as_in_stock_memory) {
  const auto context = make_context();
  for (const auto *format : {"NV12", "P010_10LE", "I420", "YV12", "RGBA", "Y444", "GBRA"}) {
    for (const auto &[width, height] : {std::pair{2, 2}, {640, 360}, {1920, 1080}}) {
      const auto stock = stock_memory(context.get(), info_of(format, width, height));
      const auto own = our_memory(context.get(), info_of(format, width, height));
      const auto &theirs = GST_CUDA_MEMORY_CAST(stock.get())->info;
      const auto &ours = GST_CUDA_MEMORY_CAST(own.get())->info;
      for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES(&ours); ++i) {
        fail_unless_equals_uint64(ours.offset[i], theirs.offset[i]);
        fail_unless_equals_int(ours.stride[i], theirs.stride[i]);
      }
    }
  }
}
GST_END_TEST

GST_START_TEST(formats_without_plain_rows_are_refused) {
  for (const auto *format : {"NV12_64Z32", "v210"}) {
    bool refused = false;
    try {
      cudacam::frame_layout(info_of(format, 64, 64), 512);
    } catch (const std::runtime_error &error) {
      refused = strstr(error.what(), format) != nullptr;
    }
    fail_unless(refused, "%s", format);
  }
}
GST_END_TEST

GST_START_TEST(it_is_mapped_and_copied_as_stock_memory) {
  const auto context = make_context();
  const auto info = info_of("NV12", 64, 48);
  using Step = Bytes (*)(GstMemory *, guint8);
  const std::pair<const char *, Step> steps[] = {{"read by CPU", read_by_cpu},
                                                 {"write by CPU", write_by_cpu},
                                                 {"read by GPU", read_by_gpu},
                                                 {"write by GPU", write_by_gpu},
                                                 {"copy", copy}};
  // Every order of four steps, from new.
  const int kinds = G_N_ELEMENTS(steps);
  for (int order = 0; order < kinds * kinds * kinds * kinds; ++order) {
    const auto stock = stock_memory(context.get(), info), own = our_memory(context.get(), info);
    std::string done;
    guint8 value = 0;
    for (auto *memory : {stock.get(), own.get()}) {
      const Mapped map(memory, GST_MAP_READ | GST_MAP_CUDA);  // leaves no trace in the flags
      const cudacam::ContextScope scope(context.get());
      CUDA_CALL(cuMemsetD8)(map.device(), static_cast<unsigned char>(7), kRow);
      CUDA_CALL(cuStreamSynchronize)(CUstream{nullptr});
    }
    for (int rest = order, i = 0; i < 4; ++i, rest /= kinds) {
      const auto &[name, step] = steps[rest % kinds];
      done += std::string(" ") + name + ",";
      ++value;
      fail_unless(step(stock.get(), value) == step(own.get(), value), "content after%s",
                  done.c_str());
      fail_unless_equals_int(transfers(own.get()), transfers(stock.get()));
    }
  }
  const SimulatedDriver simulated;
  for (const char *counter : {"pinned.live", "physical.live", "reservation.live", "memory.bytes"})
    fail_unless_equals_int64(simulated.counter(counter), 0);
}
GST_END_TEST

GST_START_TEST(every_byte_of_a_picture_passes_through_it) {
  const auto context = make_context();
  for (const auto *format : kFormats) {
    for (const auto &[width, height] : {std::pair{1, 1}, {17, 9}, {322, 182}}) {
      const auto info = info_of(format, width, height);
      BufferPtr frame(gst_buffer_new());
      gst_buffer_append_memory(frame.get(), our_memory(context.get(), info).release());
      const auto &layout = GST_CUDA_MEMORY_CAST(gst_buffer_peek_memory(frame.get(), 0))->info;
      gst_buffer_add_video_meta_full(
          frame.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(&info), info.width,
          info.height, GST_VIDEO_INFO_N_PLANES(&info), const_cast<gsize *>(layout.offset),
          const_cast<gint *>(layout.stride));
      const auto pixels = cudacam::test::write_noise(frame.get(), info, 3);
      {
        // To the GPU and back: what the CPU reads next is not what it wrote there itself.
        const Mapped map(gst_buffer_peek_memory(frame.get(), 0), GST_MAP_WRITE | GST_MAP_CUDA);
      }
      fail_unless(cudacam::test::read_pixels(frame.get(), info) == pixels, "%s %dx%d", format,
                  width, height);
    }
  }
}
GST_END_TEST

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

static Suite *cuda_memory_suite() {
  auto *suite = suite_create("cuda-memory");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, planes_lie_apart_and_aligned);
  tcase_add_test(tests, frames_lie_as_in_stock_memory);
  tcase_add_test(tests, formats_without_plain_rows_are_refused);
  tcase_add_test(tests, it_is_mapped_and_copied_as_stock_memory);
  tcase_add_test(tests, every_byte_of_a_picture_passes_through_it);
  tcase_add_test(tests, a_camera_takes_so_many_bytes_and_says_so);
  tcase_add_test(tests, too_little_memory_is_an_error_with_call_code_device_and_sizes);
  tcase_add_test(tests, where_nothing_can_be_shared_memory_is_ordinary);
  tcase_add_test(tests, a_slot_can_be_shared_with_other_processes);
  tcase_add_test(tests, it_goes_when_the_gpu_has_done_with_it);
  tcase_add_test(tests, a_failure_half_way_leaves_nothing_behind);
  return suite;
}

int main(int argc, char **argv) {
  gst_check_init(&argc, &argv);
  if (!cudacam::test::have_gpu()) {
    g_print("skipped: no GPU\n");
    return kSkipped;
  }
  return gst_check_run_suite(cuda_memory_suite(), "cuda-memory", __FILE__);
}
