// SPDX-License-Identifier: LGPL-2.1-or-later
/// plane-copier [HOST BUILD OF THE KERNELS]: copies of planes, byte for byte, by the kernels and by
/// the driver. On the simulated GPU with the host build, on a real one with what nvcc made.
#include <gst/video/video.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

// After the standard library, whose streams have members by the names of check's macros.
#include <gst/check/gstcheck.h>

#include "cuda/compat.hpp"
#include "cuda/kernel-image.hpp"
#include "cuda/plane-copier.hpp"
#include "cuda/stream.hpp"
#include "support/check-main.hpp"
#include "support/driver-calls.hpp"

using cudacam::PlaneCopier;
using cudacam::PlaneCopy;

namespace {

constexpr unsigned kGuard = 64;  // bytes before and behind a plane that must stay as they are

std::string host_build;  // the bytes of the shared object; empty on a real GPU

const void *image() {
  return host_build.empty() ? cudacam::kernel_image() : host_build.data();
}

cudacam::CudaContextPtr make_context() {
  fail_unless(gst_cuda_load_library());
  auto context = cudacam::adopt(gst_cuda_context_new(0));
  fail_unless(context != nullptr);
  return context;
}

/// A plane's shape and how it lies on both sides.
struct Shape {
  unsigned width = 1, rows = 1;
  unsigned source_offset = 0, target_offset = 0;  // from the alignment of cuMemAlloc
  unsigned source_pitch = 0, target_pitch = 0;    // 0: the width

  unsigned pitch(bool of_target) const {
    const auto wish = of_target ? target_pitch : source_pitch;
    return wish ? wish : width;
  }
  std::size_t bytes(bool of_target) const {
    return kGuard + (of_target ? target_offset : source_offset) +
           std::size_t{pitch(of_target)} * (rows - 1) + width + kGuard;
  }
  std::string text() const {
    return std::to_string(width) + "x" + std::to_string(rows) + " from +" +
           std::to_string(source_offset) + "/" + std::to_string(pitch(false)) + " to +" +
           std::to_string(target_offset) + "/" + std::to_string(pitch(true));
  }
};

/// Device memory with its contents on the host.
class Block {
 public:
  explicit Block(std::vector<unsigned char> contents) : bytes(std::move(contents)) {
    CUDA_CALL(cuMemAlloc)(&device_, bytes.size());
    CUDA_CALL(cuMemcpyHtoD)(device_, bytes.data(), bytes.size());
  }
  ~Block() { CUDA_CALL(cuMemFree)(device_); }
  Block(const Block &) = delete;
  Block &operator=(const Block &) = delete;

  unsigned char *at(std::size_t offset) const {
    return reinterpret_cast<unsigned char *>(device_ + offset);
  }
  std::vector<unsigned char> read() const {
    std::vector<unsigned char> now(bytes.size());
    CUDA_CALL(cuMemcpyDtoH)(now.data(), device_, now.size());
    return now;
  }

  std::vector<unsigned char> bytes;

 private:
  CUdeviceptr device_ = 0;
};

std::vector<unsigned char> noise(std::size_t size, unsigned seed) {
  std::minstd_rand random(seed + 1);
  std::vector<unsigned char> bytes(size);
  for (auto &byte : bytes) byte = static_cast<unsigned char>(random() >> 8);
  return bytes;
}

/// Copies planes of these shapes in one call and compares every byte of the targets' memory with
/// what it should be.
class Bench {
 public:
  explicit Bench(const void *kernels)
      : context_(make_context()), copier_(context_.get(), kernels), stream_(context_.get()) {}

  const PlaneCopier &copier() const { return copier_; }

  void expect_exact(const std::vector<Shape> &shapes) {
    const cudacam::ContextScope scope(context_.get());
    std::vector<std::unique_ptr<Block>> sources, targets;
    std::vector<PlaneCopy> planes;
    for (const auto &shape : shapes) {
      const auto seed = static_cast<unsigned>(planes.size());
      sources.push_back(std::make_unique<Block>(noise(shape.bytes(false), seed)));
      targets.push_back(std::make_unique<Block>(noise(shape.bytes(true), seed + 1000)));
      auto &source = *sources.back();
      auto &target = *targets.back();
      const auto from = kGuard + shape.source_offset, to = kGuard + shape.target_offset;
      planes.push_back({source.at(from), target.at(to), shape.pitch(false), shape.pitch(true),
                        shape.width, shape.rows});
      for (std::size_t row = 0; row < shape.rows; ++row)
        std::copy_n(&source.bytes[from + row * shape.pitch(false)], shape.width,
                    &target.bytes[to + row * shape.pitch(true)]);
    }
    copier_.enqueue(planes.data(), planes.size(), stream_.handle());
    cudacam::driver().cuStreamSynchronize(stream_.handle());
    for (std::size_t i = 0; i < shapes.size(); ++i)
      fail_unless(targets[i]->read() == targets[i]->bytes, "plane %zu of %zu, %s, differs", i,
                  shapes.size(), shapes[i].text().c_str());
  }

 private:
  cudacam::CudaContextPtr context_;
  PlaneCopier copier_;
  cudacam::Stream stream_;
};

unsigned round_up(unsigned value, unsigned unit) {
  return (value + unit - 1) / unit * unit;
}

/// Every edge of an access and of a tile, each at some alignments and pitches.
std::vector<Shape> edges() {
  const unsigned offsets[] = {0, 1, 2, 4, 8, 12, 16, 33};
  std::vector<Shape> shapes;
  std::minstd_rand random(1);
  const auto any_offset = [&] { return offsets[random() % std::size(offsets)]; };
  const auto any_pitch = [&](unsigned width) {
    const unsigned pitches[] = {width,
                                width + 1,
                                round_up(width, 4),
                                round_up(width, 16),
                                round_up(width, 16) + 16,
                                round_up(width, 512)};
    return pitches[random() % std::size(pitches)];
  };
  for (unsigned width :
       {1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 127, 128, 129, 511, 512, 513, 529}) {
    for (unsigned rows : {1, 2, 7, 8, 9, 31, 32, 33, 65}) {
      // Where 16-byte accesses are possible, where 4-byte ones are, and anything.
      shapes.push_back({width, rows, 0, 16, round_up(width, 16), round_up(width, 512)});
      shapes.push_back({width, rows, 4, 8, round_up(width, 4), round_up(width, 16)});
      shapes.push_back(
          {width, rows, any_offset(), any_offset(), any_pitch(width), any_pitch(width)});
    }
  }
  return shapes;
}

/// The planes of a frame as GStreamer and the driver lay them out.
void add_planes(std::vector<Shape> &shapes, GstVideoFormat format, unsigned width,
                unsigned height) {
  GstVideoInfo info;
  fail_unless(gst_video_info_set_format(&info, format, width, height));
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(&info); ++plane) {
    gint components[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component(info.finfo, plane, components);
    const auto bytes = static_cast<unsigned>(GST_VIDEO_INFO_COMP_WIDTH(&info, components[0]) *
                                             GST_VIDEO_INFO_COMP_PSTRIDE(&info, components[0]));
    shapes.push_back(
        {bytes, static_cast<unsigned>(GST_VIDEO_INFO_COMP_HEIGHT(&info, components[0])), 0, 0,
         static_cast<unsigned>(GST_VIDEO_INFO_PLANE_STRIDE(&info, plane)), round_up(bytes, 512)});
  }
}

const GstVideoFormat kFormats[] = {
    GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_P010_10LE, GST_VIDEO_FORMAT_I420,
    GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_UYVY,      GST_VIDEO_FORMAT_RGBA,
    GST_VIDEO_FORMAT_RGB,  GST_VIDEO_FORMAT_Y444,      GST_VIDEO_FORMAT_GBRA};

void expect_edges_exact(Bench &bench) {
  const auto all = edges();
  const std::size_t at_once = 37;  // no multiple of anything
  for (std::size_t i = 0; i < all.size(); i += at_once)
    bench.expect_exact(
        {all.begin() + static_cast<std::ptrdiff_t>(i),
         all.begin() + static_cast<std::ptrdiff_t>(std::min(i + at_once, all.size()))});
}

void expect_frames_exact(Bench &bench) {
  for (const auto format : kFormats) {
    for (const auto &[width, height] : {std::pair{17u, 9u}, {1u, 1u}, {322u, 182u}}) {
      std::vector<Shape> planes;
      add_planes(planes, format, width, height);
      bench.expect_exact(planes);
    }
  }
  std::vector<Shape> planes;
  add_planes(planes, GST_VIDEO_FORMAT_NV12, 1919, 1079);
  bench.expect_exact(planes);
}

void expect_batches_exact(Bench &bench) {
  std::minstd_rand random(3);
  for (unsigned frames = 1; frames <= 16; ++frames) {
    std::vector<Shape> planes;
    for (unsigned i = 0; i < frames; ++i)
      add_planes(planes, kFormats[random() % std::size(kFormats)],
                 static_cast<unsigned>(1 + random() % 700),
                 static_cast<unsigned>(1 + random() % 90));
    bench.expect_exact(planes);
  }
}

}  // namespace

GST_START_TEST(the_kernels_copy_edges_exactly) {
  if (!image()) return;
  Bench bench(image());
  fail_unless(bench.copier().has_kernel());
  expect_edges_exact(bench);
}
GST_END_TEST

GST_START_TEST(the_kernels_copy_frames_exactly) {
  if (!image()) return;
  Bench bench(image());
  expect_frames_exact(bench);
}
GST_END_TEST

GST_START_TEST(the_kernels_copy_batches_of_different_frames_exactly) {
  if (!image()) return;
  Bench bench(image());
  expect_batches_exact(bench);
}
GST_END_TEST

GST_START_TEST(a_batch_beyond_the_table_takes_several_launches) {
  if (!image()) return;
  Bench bench(image());
  std::vector<Shape> planes;
  for (unsigned i = 0; i < 2 * cudacam::kLargeTable + 3; ++i)
    planes.push_back({1 + i * 7, 1 + i % 40});
  bench.expect_exact(planes);
  planes.resize(cudacam::kLargeTable);
  bench.expect_exact(planes);
}
GST_END_TEST

GST_START_TEST(a_frame_is_one_launch_and_so_are_sixteen) {
  auto *calls = cudacam::test::find_call<guint64(const char *)>("nvsim_calls");
  if (!image() || !calls) return;
  Bench bench(image());
  std::vector<Shape> planes;
  add_planes(planes, GST_VIDEO_FORMAT_NV12, 320, 180);
  bench.expect_exact(planes);
  fail_unless_equals_uint64(calls("cuLaunchKernel"), 1);
  planes.clear();
  for (int i = 0; i < 16; ++i) add_planes(planes, GST_VIDEO_FORMAT_GBRA, 320, 180);
  bench.expect_exact(planes);
  fail_unless_equals_uint64(calls("cuLaunchKernel"), 2);
  fail_unless_equals_uint64(calls("cuMemcpy2DAsync"), 0);
}
GST_END_TEST

GST_START_TEST(empty_planes_are_no_work) {
  Bench bench(image());
  const PlaneCopy none[] = {{nullptr, nullptr, 0, 0, 0, 5}, {nullptr, nullptr, 16, 16, 16, 0}};
  const auto context = make_context();
  const PlaneCopier copier(context.get(), image());
  const cudacam::Stream stream(context.get());
  copier.enqueue(none, 2, stream.handle());
  copier.enqueue(none, 0, stream.handle());
  bench.expect_exact({{5, 5}, {7, 0 + 1}, {3, 3}});
}
GST_END_TEST

GST_START_TEST(without_kernels_the_driver_copies_exactly) {
  Bench bench(nullptr);
  fail_unless(!bench.copier().has_kernel());
  expect_frames_exact(bench);
  expect_batches_exact(bench);
}
GST_END_TEST

GST_START_TEST(an_image_that_does_not_load_is_no_error) {
  auto *add_fault = cudacam::test::find_call<int(const char *)>("nvsim_fault_add");
  auto *calls = cudacam::test::find_call<guint64(const char *)>("nvsim_calls");
  if (!image() || !add_fault) return;
  add_fault("cuModuleLoadData@1=CUDA_ERROR_NO_BINARY_FOR_GPU");
  Bench bench(image());
  fail_unless(!bench.copier().has_kernel());
  bench.expect_exact({{17, 9}});
  bench.expect_exact({{17, 9}});
  fail_unless_equals_uint64(calls("cuModuleLoadData"), 1);  // remembered
}
GST_END_TEST

GST_START_TEST(an_image_without_the_function_is_unloaded) {
  auto *add_fault = cudacam::test::find_call<int(const char *)>("nvsim_fault_add");
  auto *calls = cudacam::test::find_call<guint64(const char *)>("nvsim_calls");
  if (!image() || !add_fault) return;
  add_fault("cuModuleGetFunction@2=CUDA_ERROR_NOT_FOUND");
  Bench bench(image());
  fail_unless(!bench.copier().has_kernel());
  fail_unless_equals_uint64(calls("cuModuleUnload"), 1);
  bench.expect_exact({{17, 9}});
}
GST_END_TEST

GST_START_TEST(a_context_has_one_copier_as_long_as_it_is_used) {
  auto *calls = cudacam::test::find_call<guint64(const char *)>("nvsim_calls");
  const auto context = make_context(), other = make_context();
  auto one = PlaneCopier::of(context.get());
  auto same = PlaneCopier::of(context.get());
  fail_unless(one == same);
  fail_unless(PlaneCopier::of(other.get()) != one);
  fail_unless_equals_int(one->has_kernel(), cudacam::kernel_image() != nullptr);
  one.reset();
  if (!calls) return;
  const auto before = calls("cuModuleUnload");
  same.reset();
  fail_unless_equals_uint64(calls("cuModuleUnload") - before, cudacam::kernel_image() ? 1 : 0);
  PlaneCopier::of(context.get());  // a new one
}
GST_END_TEST

static Suite *plane_copier_suite() {
  auto *suite = suite_create("plane-copier");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, the_kernels_copy_edges_exactly);
  tcase_add_test(tests, the_kernels_copy_frames_exactly);
  tcase_add_test(tests, the_kernels_copy_batches_of_different_frames_exactly);
  tcase_add_test(tests, a_batch_beyond_the_table_takes_several_launches);
  tcase_add_test(tests, a_frame_is_one_launch_and_so_are_sixteen);
  tcase_add_test(tests, empty_planes_are_no_work);
  tcase_add_test(tests, without_kernels_the_driver_copies_exactly);
  tcase_add_test(tests, an_image_that_does_not_load_is_no_error);
  tcase_add_test(tests, an_image_without_the_function_is_unloaded);
  tcase_add_test(tests, a_context_has_one_copier_as_long_as_it_is_used);
  return suite;
}

int main(int argc, char **argv) {
  gst_check_init(&argc, &argv);
  if (!cudacam::test::have_gpu()) return skipped("no GPU");
  if (argc > 1) {
    std::ifstream file(argv[1], std::ios::binary);
    host_build.assign(std::istreambuf_iterator<char>(file), {});
    if (host_build.empty()) throw std::runtime_error(std::string("cannot read ") + argv[1]);
  }
  return gst_check_run_suite(plane_copier_suite(), "plane-copier", __FILE__);
}
