// SPDX-License-Identifier: LGPL-2.1-or-later
/// Slots of one cudacampool that reach another: whole or a part of them, on the same GPU or not,
/// while the GPU writes or reads them. On the simulated driver, with two GPUs.
#include <cstring>

#include "cuda/compat.hpp"
#include "fence-bench.hpp"
#include "foreign-bench.hpp"
#include "proposed-slots.hpp"
#include "support/check-main.hpp"
#include "support/wait-until.hpp"

using namespace cudacam;
using namespace cudacam::test;
using Pool = ForeignBench;

namespace {

constexpr gsize kCut = 16;  // columns, of both planes of NV12

GstVideoInfo whole_info() {
  return info_of("NV12", kWidth, kHeight);
}
GstVideoInfo cut_info() {
  return info_of("NV12", kWidth - static_cast<int>(kCut), kHeight);
}

/// Only the columns from kCut on: a view of the same bytes from there on. The CPU must have read
/// all of the memory before it reads the view: GStreamer (1.24 to 1.26) makes its pinned memory as
/// large as the view is at the first time, and then copies all of the memory there.
void cut(BufferPtr &frame) {
  frame.reset(gst_buffer_make_writable(frame.release()));
  auto *meta = gst_buffer_get_video_meta(frame.get());
  fail_unless(meta != nullptr);
  meta->width -= static_cast<guint>(kCut);
  gst_buffer_resize(frame.get(), kCut, -1);
}

/// The same of another buffer, which has a part of the memory. Where CUDA memory has parts: from
/// GStreamer 1.24 on it has none.
BufferPtr part_of(GstBuffer *frame) {
  BufferPtr part(gst_buffer_copy_region(frame, GST_BUFFER_COPY_MEMORY, kCut,
                                        gst_buffer_get_size(frame) - kCut));
  const auto *meta = gst_buffer_get_video_meta(frame);
  gst_buffer_add_video_meta_full(
      part.get(), meta->flags, meta->format, meta->width - static_cast<guint>(kCut), meta->height,
      meta->n_planes, const_cast<gsize *>(meta->offset), const_cast<gint *>(meta->stride));
  return part;
}

/// A frame in a slot of `pool`, and its pixels.
BufferPtr slot_of(Pool &pool, const BufferPtr &source, Bytes *pixels = nullptr) {
  auto slot = pool.push(share(source.get()));
  fail_unless(slot != nullptr);
  if (pixels) *pixels = read_pixels(slot.get(), whole_info());
  return slot;
}

void expect_no_violation() {
  const SimulatedDriver driver;
  const auto violations = driver.violations();
  const auto report = driver.take_report();
  fail_unless(violations == 0, "%u violations: %s", violations, report.c_str());
}

}  // namespace

GST_START_TEST(a_part_of_a_slot_is_copied_from_where_it_lies) {
  const auto context = make_context();
  Pool before(context.get(), whole_info()), after(context.get(), cut_info());
  const auto source = stock_frame(context.get(), whole_info());
  write_noise(source.get(), whole_info(), 5);
  for (const bool shared : {false, true}) {
    if (shared && compat::readers_wait_for_memory()) continue;
    Bytes whole;
    auto frame = slot_of(before, source, &whole);
    const auto used = gst_buffer_peek_memory(frame.get(), 0);
    if (shared)
      frame = part_of(frame.get());
    else
      cut(frame);
    const auto pixels = read_pixels(frame.get(), cut_info());
    const auto copied = after.count("copied");
    const auto slot = after.push(std::move(frame));
    fail_unless(slot && gst_buffer_peek_memory(slot.get(), 0) != used);
    fail_unless(read_pixels(slot.get(), cut_info()) == pixels, "the part differs");
    fail_unless_equals_uint64(after.count("copied"), copied + 1);
    fail_unless_equals_uint64(before.count("slots-free"), 4);
  }
  expect_no_violation();
}
GST_END_TEST

/// The first pool's copy has not even begun.
GST_START_TEST(a_part_of_a_slot_is_copied_after_it_is_written) {
  const SimulatedDriver driver;
  const auto context = make_context();
  Pool before(context.get(), whole_info()), after(context.get(), cut_info());
  before.set("sync-mode", "gpu");
  after.set("sync-mode", "gpu");
  const auto source = stock_frame(context.get(), whole_info());
  write_noise(source.get(), whole_info(), 5);
  Bytes pixels;
  {
    Bytes whole;
    auto frame = slot_of(before, source, &whole);
    cut(frame);
    pixels = read_pixels(frame.get(), cut_info());
    after.push(std::move(frame));
  }
  wait_for_producer(gst_buffer_peek_memory(source.get(), 0));
  driver.hold_all(true);
  auto frame = slot_of(before, source);
  cut(frame);
  const auto slot = after.push(std::move(frame));
  fail_unless(slot != nullptr);
  driver.hold_all(false);
  fail_unless(read_pixels(slot.get(), cut_info()) == pixels);
  expect_no_violation();
}
GST_END_TEST

/// Nobody knows what is in it.
GST_START_TEST(a_part_of_the_overflow_slot_is_dropped) {
  const auto context = make_context();
  Pool before(context.get(), whole_info()), after(context.get(), cut_info());
  const ProposedSlots slots(before.harness());
  std::vector<BufferPtr> taken;
  for (int i = 0; i < 4; ++i) taken.push_back(slots.acquire());
  auto overflow = slots.acquire();
  if (!compat::readers_wait_for_memory())
    fail_unless(!after.push(part_of(overflow.get())), "it was copied");
  cut(overflow);
  fail_unless(!after.push(std::move(overflow)), "it was copied");
}
GST_END_TEST

GST_START_TEST(a_slot_in_system_memory_is_uploaded) {
  const auto context = make_context();
  const auto info = whole_info();
  Pool before(nullptr, info, false), after(context.get(), info);
  const auto source = host_frame(info);
  write_noise(source.get(), info, 3);
  Bytes pixels;
  auto frame = slot_of(before, source, &pixels);
  const auto slot = after.push(std::move(frame));
  fail_unless(slot && Pool::context_of(slot.get()) == context.get());
  fail_unless(read_pixels(slot.get(), info) == pixels);
}
GST_END_TEST

GST_START_TEST(a_slot_on_the_gpu_is_downloaded_for_plain_caps) {
  const auto context = make_context();
  const auto info = whole_info();
  Pool before(context.get(), info), after(nullptr, info, false);
  const auto source = stock_frame(context.get(), info);
  write_noise(source.get(), info, 3);
  Bytes pixels;
  auto frame = slot_of(before, source, &pixels);
  const auto slot = after.push(std::move(frame));
  fail_unless(slot && !Pool::context_of(slot.get()));
  fail_unless(read_pixels(slot.get(), info) == pixels);
}
GST_END_TEST

/// By way of the host, for it is mapped for its own GPU only.
GST_START_TEST(a_slot_of_another_gpu_is_copied) {
  const SimulatedDriver driver;
  const auto here = make_context(0), there = make_context(1);
  const auto info = whole_info();
  Pool before(there.get(), info), after(here.get(), info);
  before.set("sync-mode", "gpu");
  after.set("sync-mode", "gpu");
  const auto source = stock_frame(there.get(), info);
  write_noise(source.get(), info, 3);
  Bytes pixels;
  slot_of(before, source, &pixels);
  driver.delay(500, 1);
  constexpr guint64 kFrames = 10;
  for (guint64 i = 0; i < kFrames; ++i) {
    wait_until(
        [&] { return before.count("slots-free") == 4 && before.count("slots-pending") == 0; },
        "the slots that were copied");
    const auto slot = after.push(slot_of(before, source));
    fail_unless(slot && Pool::context_of(slot.get()) == here.get());
    fail_unless(read_pixels(slot.get(), info) == pixels);
  }
  fail_unless_equals_uint64(after.count("copied"), kFrames);
  fail_unless_equals_uint64(after.count("waited"), kFrames);
  expect_no_violation();
}
GST_END_TEST

GST_START_TEST(a_slot_of_the_same_gpu_passes_untouched) {
  const auto context = make_context(), other = make_context();
  const auto info = whole_info();
  for (auto *of_first : {context.get(), other.get()}) {
    Pool before(of_first, info), after(context.get(), info);
    auto frame = slot_of(before, stock_frame(of_first, info));
    auto *memory = gst_buffer_peek_memory(frame.get(), 0);
    const auto slot = after.push(std::move(frame));
    fail_unless(slot && gst_buffer_peek_memory(slot.get(), 0) == memory);
    fail_unless_equals_uint64(after.count("copied"), 0);
  }
}
GST_END_TEST

/// Who is the only one to hold a frame may write it. Readers that have let go of it after their
/// work may still be at that work, which the upload comes after.
GST_START_TEST(what_the_cpu_wrote_in_place_comes_after_readers_that_have_let_go) {
  const SimulatedDriver driver;
  Gpu gpu;
  const auto info = whole_info();
  Pool before(gpu.context(), info), after(gpu.context(), info);
  Reader reader(gpu);
  auto frame = slot_of(before, gpu.frame(1));
  after.push(share(frame.get()));  // all that is made once is made
  const auto caps = cuda_caps(info);
  const LeasePtr lease(gst_cuda_cam_lease_new(frame.get(), caps.get(), "reader", nullptr, nullptr));
  wait_on_stream(lease, reader);
  driver.hold(reader.stream(), true);
  reader.launch(lease.get());
  release_after(lease, reader);
  ProposedSlots::write_by_cpu(frame.get(), 2);
  std::atomic<bool> returned{false};
  BufferPtr written;
  std::thread camera([&] {
    written = after.push(std::move(frame));
    returned = true;
  });
  while (!returned && driver.counter("thread.waiting") == 0) std::this_thread::yield();
  driver.hold(reader.stream(), false);
  camera.join();
  fail_unless_equals_int(reader.result(), 1);
  fail_unless(written != nullptr);
  const LeasePtr next(gst_cuda_cam_lease_new(written.get(), caps.get(), "next", nullptr, nullptr));
  wait_on_stream(next, reader);
  reader.launch(next.get());
  release_after(next, reader);
  fail_unless_equals_int(reader.result(), 2);
  expect_no_violation();
}
GST_END_TEST

/// Of a frame that somebody else holds, in a buffer of his own, it writes a copy.
GST_START_TEST(a_frame_that_others_hold_is_not_written_in_place) {
  const auto context = make_context();
  const auto info = whole_info();
  Pool pool(context.get(), info);
  const auto source = stock_frame(context.get(), info);
  write_noise(source.get(), info, 3);
  Bytes pixels;
  auto frame = slot_of(pool, source, &pixels);
  const BufferPtr others(gst_buffer_copy(frame.get()));
  write_noise(frame.get(), info, 4);
  fail_unless(gst_buffer_peek_memory(frame.get(), 0) != gst_buffer_peek_memory(others.get(), 0));
  fail_unless(read_pixels(others.get(), info) == pixels);
}
GST_END_TEST

/// Whose camera is it? The last element's, as its page says of the meta.
GST_START_TEST(a_frame_has_one_meta_of_the_last_element) {
  const auto context = make_context();
  const auto info = whole_info();
  for (const bool copied : {false, true}) {
    Pool before(context.get(), info), after(copied ? nullptr : context.get(), info, !copied);
    before.set("camera-name", "yard");
    after.set("camera-name", "gate");
    const auto slot = after.push(slot_of(before, stock_frame(context.get(), info)));
    fail_unless(slot != nullptr);
    fail_unless_equals_int(gst_buffer_get_n_meta(slot.get(), GST_CUDA_CAM_FRAME_META_API_TYPE), 1);
    fail_unless_equals_string(gst_buffer_get_cuda_cam_frame_meta(slot.get())->camera, "gate");
  }
}
GST_END_TEST

/// Which is that element's loss, not ours: here no slot of our own is there at all.
GST_START_TEST(a_slot_that_fails_in_an_element_without_slots_costs_a_frame) {
  const SimulatedDriver driver;
  const auto context = make_context();
  const auto small = whole_info(), large = info_of("NV12", 1920, 1080);
  Pool before(context.get(), small), after(context.get(), small);
  before.set("sync-mode", "gpu");
  const auto bus = adopt(gst_bus_new());
  gst_element_set_bus(after.harness()->element, bus.get());
  const auto held =
      after.push(stock_frame(context.get(), small));  // there is an earlier generation
  fail_unless(held != nullptr);
  before.set_size(large);
  after.set("vram-budget", "1");
  after.set_size(large);
  fail_unless_equals_uint64(after.count("slots"), 0);
  auto frame = before.push(stock_frame(context.get(), large));
  fail_unless(frame != nullptr);
  frame.reset(gst_buffer_make_writable(frame.release()));
  ProposedSlots::write_by_cpu(frame.get(), 1);
  fail_unless(driver.fault("cuMemcpyHtoD@*=1;cuMemcpy2DAsync@*=1"));
  fail_unless(!after.push(std::move(frame)));
  driver.clear_faults();
  fail_unless_equals_uint64(after.count("write-errors"), 1);
  fail_unless_equals_uint64(before.count("slots-retired"), 1);
  fail_unless(!MessagePtr(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR)));
  // The next one passes.
  fail_unless(after.push(before.push(stock_frame(context.get(), large))) != nullptr);
  gst_element_set_bus(after.harness()->element, nullptr);
}
GST_END_TEST

/// One branch of a tee finds out that a slot cannot be written; the other gets it after that.
GST_START_TEST(a_slot_that_another_element_retired_is_dropped) {
  const SimulatedDriver driver;
  const auto context = make_context();
  const auto info = whole_info();
  Pool before(context.get(), info), one(context.get(), info), other(context.get(), info);
  auto frame = slot_of(before, stock_frame(context.get(), info));
  frame.reset(gst_buffer_make_writable(frame.release()));
  ProposedSlots::write_by_cpu(frame.get(), 1);
  fail_unless(driver.fault("cuMemcpyHtoD@*=1;cuMemcpy2DAsync@*=1"));
  fail_unless(!one.push(share(frame.get())));
  driver.clear_faults();
  const auto bus = adopt(gst_bus_new());
  gst_element_set_bus(other.harness()->element, bus.get());
  fail_unless(!other.push(std::move(frame)));
  fail_unless(!MessagePtr(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR)));
  fail_unless_equals_uint64(other.count("dropped"), 1);
  fail_unless(other.push(slot_of(before, stock_frame(context.get(), info))) != nullptr);
  gst_element_set_bus(other.harness()->element, nullptr);
}
GST_END_TEST

static Suite *cudacampool_series_suite() {
  auto *suite = suite_create("cudacampool-series");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_part_of_a_slot_is_copied_from_where_it_lies);
  tcase_add_test(tests, a_part_of_a_slot_is_copied_after_it_is_written);
  tcase_add_test(tests, a_part_of_the_overflow_slot_is_dropped);
  tcase_add_test(tests, a_slot_in_system_memory_is_uploaded);
  tcase_add_test(tests, a_slot_on_the_gpu_is_downloaded_for_plain_caps);
  tcase_add_test(tests, a_slot_of_another_gpu_is_copied);
  tcase_add_test(tests, a_slot_of_the_same_gpu_passes_untouched);
  tcase_add_test(tests, what_the_cpu_wrote_in_place_comes_after_readers_that_have_let_go);
  tcase_add_test(tests, a_frame_that_others_hold_is_not_written_in_place);
  tcase_add_test(tests, a_frame_has_one_meta_of_the_last_element);
  tcase_add_test(tests, a_slot_that_fails_in_an_element_without_slots_costs_a_frame);
  tcase_add_test(tests, a_slot_that_another_element_retired_is_dropped);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_series, !SimulatedDriver() || !gst_cuda_load_library()
                                          ? "streams are held on the simulated driver only"
                                          : "")
