// SPDX-License-Identifier: LGPL-2.1-or-later
/// The memory of slots on a GPU, real or simulated: how it is laid out, and that it behaves as
/// GStreamer's own. Skipped without a GPU.
#include <string>
#include <vector>

#include "memory-bench.hpp"
#include "support/check-main.hpp"
#include "support/pixels.hpp"
#include "support/simulated-driver.hpp"
#include "support/stock-memory.hpp"

using cudacam::BufferPtr;
using cudacam::MemoryPtr;
using namespace cudacam::test;

namespace {

const char *const kFormats[] = {"NV12", "NV21", "P010_10LE", "I420", "YV12", "YUY2", "UYVY",
                                "RGBA", "BGRx", "RGB",       "Y444", "Y42B", "GBRA", "GRAY8"};

/// The flags that say what is to be transferred.
int transfers(GstMemory *memory) {
  return (GST_MEMORY_FLAG_IS_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD) ? 1 : 0) |
         (GST_MEMORY_FLAG_IS_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_UPLOAD) ? 2 : 0);
}

/// What users of a memory do. Each returns the bytes of the first row that it saw.
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
  cudacam::test::wait_for_producer(memory);
  CUDA_CALL(cuMemcpyDtoH)(static_cast<void *>(row.data()), map.device(), kRow);
  return row;
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

/// A part cannot be written, so whoever wants to gets a copy of it; GStreamer's own has no parts.
GST_START_TEST(a_copy_of_a_part_is_of_that_part) {
  if (cudacam::compat::readers_wait_for_memory()) return;
  const auto context = make_context();
  const auto memory = our_memory(context.get(), info_of("NV12", 64, 48));
  {
    const Mapped map(memory.get(), GST_MAP_WRITE);
    for (gsize i = 0; i < map.size(); ++i) map.bytes()[i] = static_cast<guint8>(i % 251);
  }
  const MemoryPtr part(gst_memory_share(memory.get(), 1000, 500));
  const auto expect = [](GstMemory *copied, gsize begin, gsize size) {
    const Mapped map(copied, GST_MAP_READ);
    fail_unless_equals_uint64(map.size(), size);
    for (gsize i = 0; i < size; ++i)
      fail_unless_equals_int(map.bytes()[i], static_cast<guint8>((begin + i) % 251));
  };
  expect(MemoryPtr(gst_memory_copy(part.get(), 0, -1)).get(), 1000, 500);
  expect(MemoryPtr(gst_memory_copy(part.get(), 100, 50)).get(), 1100, 50);
  expect(MemoryPtr(gst_memory_copy(memory.get(), 100, -1)).get(), 100, memory->size - 100);

  BufferPtr frame(gst_buffer_new());
  gst_buffer_append_memory(frame.get(), gst_memory_ref(part.get()));
  GstMapInfo map;
  fail_unless(gst_buffer_map(frame.get(), &map, GST_MAP_READWRITE));
  fail_unless_equals_int(map.data[0], 1000 % 251);
  map.data[0] = 255;
  gst_buffer_unmap(frame.get(), &map);
  expect(part.get(), 1000, 500);
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
      const auto pixels = write_noise(frame.get(), info, 3);
      {
        // To the GPU and back: what the CPU reads next is not what it wrote there itself.
        const Mapped map(gst_buffer_peek_memory(frame.get(), 0), GST_MAP_WRITE | GST_MAP_CUDA);
      }
      fail_unless(read_pixels(frame.get(), info) == pixels, "%s %dx%d", format, width, height);
    }
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
  tcase_add_test(tests, a_copy_of_a_part_is_of_that_part);
  tcase_add_test(tests, every_byte_of_a_picture_passes_through_it);
  return suite;
}

CHECK_MAIN_UNLESS(cuda_memory, !have_gpu() ? "no GPU" : "")
