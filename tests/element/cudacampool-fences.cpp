// SPDX-License-Identifier: LGPL-2.1-or-later
/// The order of the GPU's work on a slot: readers after the writer, the next writer after the
/// readers. On the simulated driver, whose streams are held, so that each wrong order happens or is
/// reported.
#include <vector>

#include "fence-bench.hpp"
#include "support/check-main.hpp"

using namespace cudacam;
using namespace cudacam::test;

GST_START_TEST(a_slot_is_not_written_before_those_who_released_it_after_their_work) {
  FenceBench bench;
  Reader reader(bench.gpu());
  bench.push(1);
  auto lease = bench.acquire();
  wait_on_stream(lease, reader);
  bench.simulated.hold(reader.stream(), true);
  reader.launch(lease.get());
  release_after(lease, reader);
  // The other two slots are used, and nobody waits.
  for (guint8 grey = 2; grey < 30; ++grey) {
    bench.push(grey);
    wait_on_stream(bench.acquire("other"), reader);
  }
  fail_unless_equals_uint64(bench.count("dropped"), 0);
  fail_unless_equals_uint64(bench.count("slots-pending"), 1);
  bench.simulated.hold(reader.stream(), false);
  fail_unless_equals_int(reader.result(), 1);
  bench.await_no_pending_slot();
  bench.push(30);
  bench.expect_no_violation();
}
GST_END_TEST

GST_START_TEST(a_plain_release_under_a_running_kernel_is_a_race) {
  FenceBench bench;
  Reader reader(bench.gpu());
  bench.push(1);
  auto lease = bench.acquire();
  wait_on_stream(lease, reader);
  bench.simulated.hold(reader.stream(), true);
  reader.launch(lease.get());
  gst_cuda_cam_lease_release(lease.get());
  for (guint8 grey = 2; grey < 6; ++grey) bench.push(grey);
  bench.simulated.hold(reader.stream(), false);
  reader.finish();
  bench.expect_race();
}
GST_END_TEST

/// Without a slot that is free of readers, the copy waits for them on the GPU.
GST_START_TEST(a_copy_waits_on_the_gpu_for_readers_of_the_last_free_slot) {
  FenceBench bench("cudacampool name=pool slots=2 ! cudacamsink");
  Reader slow(bench.gpu()), next(bench.gpu());
  bench.push(1);
  auto lease = bench.acquire();
  wait_on_stream(lease, slow);
  bench.simulated.hold(slow.stream(), true);
  slow.launch(lease.get());
  release_after(lease, slow);
  bench.push(2);
  bench.push(bench.gpu().frame(3));  // into the slot that `slow` reads
  fail_unless_equals_uint64(bench.count("dropped"), 0);
  lease = bench.acquire();
  wait_on_stream(lease, next);
  bench.simulated.hold(next.stream(), true);
  next.launch(lease.get());
  fail_unless(bench.simulated.step(next.stream(), 9) == 0, "the new frame did not wait");
  bench.simulated.hold(slow.stream(), false);
  bench.simulated.hold(next.stream(), false);
  fail_unless_equals_int(slow.result(), 1);
  fail_unless_equals_int(next.result(), 3);
  bench.expect_no_violation();
}
GST_END_TEST

/// Who wants complete frames would wait for the reader on the CPU: the frame is dropped instead.
GST_START_TEST(complete_frames_do_not_wait_for_readers_of_the_last_one) {
  FenceBench bench("cudacampool name=pool slots=2 sync-mode=cpu ! cudacamsink");
  Reader slow(bench.gpu());
  bench.push(1);
  auto lease = bench.acquire();
  bench.simulated.hold(slow.stream(), true);
  slow.launch(lease.get());
  release_after(lease, slow);
  bench.push(2);
  bench.push(3);
  fail_unless_equals_uint64(bench.count("dropped"), 1);
  bench.simulated.hold(slow.stream(), false);
  fail_unless_equals_int(slow.result(), 1);
  bench.await_no_pending_slot();
  bench.push(4);
  fail_unless_equals_uint64(bench.count("dropped"), 1);
  bench.expect_no_violation();
}
GST_END_TEST

/// Upstream gets slots from a pool. Its stream is within our reach from GStreamer 1.24 on only.
GST_START_TEST(upstream_gets_no_slot_that_a_reader_still_reads) {
  FenceBench bench;
  Reader reader(bench.gpu());
  auto *caps = gst_pad_get_current_caps(bench.harness()->srcpad);
  const QueryPtr query(gst_query_new_allocation(caps, TRUE));
  fail_unless(gst_pad_peer_query(bench.harness()->srcpad, query.get()));
  GstBufferPool *raw_pool = nullptr;
  gst_query_parse_nth_allocation_pool(query.get(), 0, &raw_pool, nullptr, nullptr, nullptr);
  const auto pool = adopt(raw_pool);
  auto *config = gst_buffer_pool_get_config(pool.get());
  gst_buffer_pool_config_set_params(config, caps, 0, 0, 0);
  gst_caps_unref(caps);
  fail_unless(gst_buffer_pool_set_config(pool.get(), config));
  fail_unless(gst_buffer_pool_set_active(pool.get(), TRUE));
  const auto acquire = [&] {
    GstBuffer *buffer = nullptr;
    fail_unless_equals_int(gst_buffer_pool_acquire_buffer(pool.get(), &buffer, nullptr),
                           GST_FLOW_OK);
    return BufferPtr(buffer);
  };
  bench.push(1);
  auto lease = bench.acquire();
  wait_on_stream(lease, reader);
  auto *read = gst_buffer_peek_memory(gst_cuda_cam_lease_get_buffer(lease.get()), 0);
  bench.simulated.hold(reader.stream(), true);
  reader.launch(lease.get());
  release_after(lease, reader);
  bench.push(2);
  // One slot is the sink's newest, one is read, one is free.
  const auto free = acquire();
  const auto other = acquire();
  fail_unless(gst_buffer_peek_memory(free.get(), 0) != read);
  const bool reachable = compat::readers_wait_for_memory();
  fail_unless_equals_int(gst_buffer_peek_memory(other.get(), 0) == read, reachable);
  bench.simulated.hold(reader.stream(), false);
  fail_unless_equals_int(reader.result(), 1);
  bench.await_no_pending_slot();
  if (!reachable) fail_unless(gst_buffer_peek_memory(acquire().get(), 0) == read);
  gst_buffer_pool_set_active(pool.get(), FALSE);
  bench.expect_no_violation();
}
GST_END_TEST

GST_START_TEST(many_readers_of_one_frame_are_all_waited_for) {
  FenceBench bench("cudacampool name=pool slots=2 ! cudacamsink");
  constexpr int kReaders = 5;
  std::vector<std::unique_ptr<Reader>> readers;
  bench.push(1);
  for (int i = 0; i < kReaders; ++i) {
    readers.push_back(std::make_unique<Reader>(bench.gpu()));
    auto lease = bench.acquire(("reader" + std::to_string(i)).c_str());
    wait_on_stream(lease, *readers[i]);
    bench.simulated.hold(readers[i]->stream(), true);
    readers[i]->launch(lease.get());
    release_after(lease, *readers[i]);
  }
  bench.push(2);
  for (auto &reader : readers) {
    fail_unless_equals_uint64(bench.count("slots-pending"), 1);
    bench.simulated.hold(reader->stream(), false);
    fail_unless_equals_int(reader->result(), 1);
  }
  bench.await_no_pending_slot();
  bench.push(3);
  bench.expect_no_violation();
}
GST_END_TEST

/// A model's runtime has a context of its own, which may be gone before the slot is written again.
GST_START_TEST(a_readers_stream_may_be_of_another_context) {
  FenceBench bench("cudacampool name=pool slots=2 ! cudacamsink");
  std::int64_t events = 0;
  {
    const CudaContextPtr other(gst_cuda_context_new(0));
    Reader reader(bench.gpu(), other.get());
    bench.push(1);
    auto lease = bench.acquire();
    wait_on_stream(lease, reader);
    bench.simulated.hold(reader.stream(), true);
    reader.launch(lease.get());
    release_after(lease, reader);
    bench.push(2);
    fail_unless_equals_uint64(bench.count("slots-pending"), 1);
    bench.simulated.hold(reader.stream(), false);
    fail_unless_equals_int(reader.result(), 1);
    // The event that this takes is made once.
    events = bench.simulated.counter("event.created");
    for (guint8 grey = 3; grey < 20; ++grey) {
      bench.push(grey);
      lease = bench.acquire();
      wait_on_stream(lease, reader);
      reader.launch(lease.get());
      release_after(lease, reader);
    }
    fail_unless_equals_int64(bench.simulated.counter("event.created"), events);
    fail_unless_equals_int(reader.result(), 19);
  }
  // Another one takes another event, whatever the driver calls the new context.
  const CudaContextPtr other(gst_cuda_context_new(0));
  Reader reader(bench.gpu(), other.get());
  for (guint8 grey = 20; grey < 30; ++grey) {
    bench.push(grey);
    auto lease = bench.acquire();
    wait_on_stream(lease, reader);
    reader.launch(lease.get());
    release_after(lease, reader);
  }
  fail_unless_equals_int(reader.result(), 29);
  fail_unless_equals_int64(bench.simulated.counter("event.created"), events + 1);
  bench.expect_no_violation();
}
GST_END_TEST

GST_START_TEST(a_reader_that_waits_on_its_stream_finds_the_frame_complete) {
  FenceBench bench;
  Reader reader(bench.gpu());
  auto frame = bench.gpu().frame(7);
  bench.simulated.hold_all(true);
  bench.push(std::move(frame));  // returns although nothing can be copied
  auto lease = bench.acquire();
  wait_on_stream(lease, reader);
  reader.launch(lease.get());
  fail_unless(bench.simulated.step(reader.stream(), 9) == 0, "the reader did not wait");
  bench.simulated.hold_all(false);
  fail_unless_equals_int(reader.result(), 7);
  bench.expect_no_violation();
}
GST_END_TEST

GST_START_TEST(a_reader_that_does_not_wait_is_reported) {
  FenceBench bench;
  Reader reader(bench.gpu());
  auto frame = bench.gpu().frame(7);
  bench.simulated.hold_all(true);
  bench.push(std::move(frame));
  reader.launch(bench.acquire().get());
  bench.simulated.hold_all(false);
  reader.finish();
  bench.expect_race();
}
GST_END_TEST

GST_START_TEST(a_thread_can_wait_for_the_frame) {
  FenceBench bench;
  Reader reader(bench.gpu());
  bench.simulated.delay(2000, 1);
  bench.push(bench.gpu().frame(7));
  auto lease = bench.acquire();
  GError *error = nullptr;
  fail_unless(gst_cuda_cam_lease_wait(lease.get(), &error) && !error);
  reader.launch(lease.get());
  fail_unless_equals_int(reader.result(), 7);
  bench.expect_no_violation();
}
GST_END_TEST

GST_START_TEST(a_sample_is_complete) {
  FenceBench bench;
  Reader reader(bench.gpu());
  bench.simulated.delay(2000, 1);
  bench.push(bench.gpu().frame(7));
  GstSample *sample = nullptr;
  g_signal_emit_by_name(bench.sink(), "try-pull-sample", guint64{0}, &sample);
  const LeasePtr planes(gst_cuda_cam_lease_new(
      gst_sample_get_buffer(sample), gst_sample_get_caps(sample), "reader", nullptr, nullptr));
  reader.launch(planes.get());
  fail_unless_equals_int(reader.result(), 7);
  gst_sample_unref(sample);
  bench.expect_no_violation();
}
GST_END_TEST

GST_START_TEST(a_lease_that_cannot_be_released_after_work_stays_the_readers) {
  FenceBench bench;
  Reader reader(bench.gpu());
  bench.push(1);
  auto lease = bench.acquire();
  wait_on_stream(lease, reader);
  reader.launch(lease.get());
  GError *error = nullptr;
  fail_unless(bench.simulated.fault("cuEventRecord@1=CUDA_ERROR_INVALID_VALUE"));
  fail_unless(!gst_cuda_cam_lease_release_after(lease.get(), reader.stream(), &error));
  fail_unless(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SYNC));
  fail_unless(strstr(error->message, "cuEventRecord: CUDA_ERROR_INVALID_VALUE"), "%s",
              error->message);
  g_clear_error(&error);
  fail_unless(gst_cuda_cam_lease_get_buffer(lease.get()) != nullptr);
  fail_unless_equals_int(reader.result(), 1);
  release_after(lease, reader);
  fail_unless(!gst_cuda_cam_lease_release_after(lease.get(), reader.stream(), &error));
  fail_unless(g_error_matches(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_RELEASED));
  g_clear_error(&error);
  bench.expect_no_violation();
}
GST_END_TEST

/// LeakSanitizer's, where the program is built with it.
extern "C" __attribute__((weak)) void __lsan_disable();

/// After an error of the whole process the driver is not called any more, and leases still go.
GST_START_TEST(late_releases_leave_a_broken_gpu_alone) {
  if (__lsan_disable) __lsan_disable();  // the slots are left behind
  FenceBench bench;
  Reader reader(bench.gpu());
  bench.push(1);
  const auto one = bench.acquire("one"), two = bench.acquire("two");
  bench.simulated.set_error(CUDA_ERROR_ILLEGAL_ADDRESS);
  GError *error = nullptr;
  fail_unless(!gst_cuda_cam_lease_release_after(one.get(), reader.stream(), &error));
  g_clear_error(&error);
  const auto calls = [&] {
    std::uint64_t sum = 0;
    for (const char *call : {"cuStreamGetCtx", "cuCtxGetId", "cuEventRecord", "cuEventQuery",
                             "cuStreamWaitEvent", "cuEventSynchronize"})
      sum += bench.simulated.calls(call);
    return sum;
  };
  const auto before = calls();
  fail_unless(!gst_cuda_cam_lease_release_after(two.get(), reader.stream(), &error));
  fail_unless(strstr(error->message, "CUDA_ERROR_ILLEGAL_ADDRESS"), "%s", error->message);
  g_clear_error(&error);
  fail_unless(!gst_cuda_cam_lease_wait(two.get(), &error));
  g_clear_error(&error);
  gst_cuda_cam_lease_release(one.get());
  gst_cuda_cam_lease_release(two.get());
  bench.count("slots-pending");
  fail_unless_equals_uint64(calls(), before);
  bench.simulated.set_error(0);  // for the teardown of what is not ours
}
GST_END_TEST

static Suite *cudacampool_fences_suite() {
  auto *suite = suite_create("cudacampool-fences");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_slot_is_not_written_before_those_who_released_it_after_their_work);
  tcase_add_test(tests, a_plain_release_under_a_running_kernel_is_a_race);
  tcase_add_test(tests, a_copy_waits_on_the_gpu_for_readers_of_the_last_free_slot);
  tcase_add_test(tests, complete_frames_do_not_wait_for_readers_of_the_last_one);
  tcase_add_test(tests, upstream_gets_no_slot_that_a_reader_still_reads);
  tcase_add_test(tests, many_readers_of_one_frame_are_all_waited_for);
  tcase_add_test(tests, a_readers_stream_may_be_of_another_context);
  tcase_add_test(tests, a_reader_that_waits_on_its_stream_finds_the_frame_complete);
  tcase_add_test(tests, a_reader_that_does_not_wait_is_reported);
  tcase_add_test(tests, a_thread_can_wait_for_the_frame);
  tcase_add_test(tests, a_sample_is_complete);
  tcase_add_test(tests, a_lease_that_cannot_be_released_after_work_stays_the_readers);
  tcase_add_test(tests, late_releases_leave_a_broken_gpu_alone);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_fences, !SimulatedDriver() || !gst_cuda_load_library()
                                          ? "streams are held on the simulated driver only"
                                          : "")
