// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Race detection: known-good programs are silent; each without one of its waits is reported, on
// held streams, so that what happens does not depend on who is faster.
#include <functional>
#include <thread>

#include "harness.hpp"

using harness::make_event;
using harness::make_memory;
using harness::make_stream;
using harness::reported;
using harness::start;

namespace {

constexpr std::size_t kFrame = 4096;

// A producer writes a frame, a consumer reads it, and the producer writes it again: the program
// needs two waits. Which of them is made?
void produce_and_consume(bool wait_for_write, bool wait_for_read) {
  start();
  const CUstream producer = make_stream();
  const CUstream consumer = make_stream();
  const CUevent written = make_event();
  const CUevent read = make_event();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUdeviceptr result = make_memory(kFrame);
  nvsim_hold_all(1);
  for (int round = 0; round < 3; ++round) {
    CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, producer));
    CHECK_OK(cuEventRecord(written, producer));
    if (wait_for_write) CHECK_OK(cuStreamWaitEvent(consumer, written, 0));
    CHECK_OK(cuMemcpyDtoDAsync(result, frame, kFrame, consumer));
    CHECK_OK(cuEventRecord(read, consumer));
    if (wait_for_read) CHECK_OK(cuStreamWaitEvent(producer, read, 0));
  }
  nvsim_hold_all(0);
  CHECK_OK(cuCtxSynchronize());
}

}  // namespace

TEST(a_program_with_all_its_waits_is_silent) {
  produce_and_consume(true, true);
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(a_reader_that_does_not_wait_is_reported) {
  produce_and_consume(false, true);
  CHECK(nvsim_violations() > 0);
  CHECK(reported("race on 'cuMemAlloc'"));
  CHECK(reported("read by 'cuMemcpyDtoDAsync' on stream"));
  CHECK(reported("write by 'cuMemsetD8Async' on stream"));
}

TEST(a_writer_that_does_not_wait_for_readers_is_reported) {
  produce_and_consume(true, false);
  CHECK(nvsim_violations() > 0);
  CHECK(reported("write by 'cuMemsetD8Async'"));
}

TEST(two_readers_do_not_race) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUdeviceptr one = make_memory(kFrame);
  const CUdeviceptr two = make_memory(kFrame);
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  CHECK_OK(cuMemsetD8(frame, 1, kFrame));
  CHECK_OK(cuCtxSynchronize());
  nvsim_hold_all(1);
  CHECK_OK(cuMemcpyDtoDAsync(one, frame, kFrame, first));
  CHECK_OK(cuMemcpyDtoDAsync(two, frame, kFrame, second));
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK_OK(cuMemcpyDtoDAsync(two, frame, kFrame, first));  // both write `two`
  CHECK_EQUAL(nvsim_violations(), 1);
  nvsim_hold_all(0);
}

TEST(planes_of_one_allocation_do_not_race) {
  start();
  CUdeviceptr frame = 0;
  std::size_t pitch = 0;
  CHECK_OK(cuMemAllocPitch(&frame, &pitch, 640, 720, 16));
  const CUstream luma = make_stream();
  const CUstream chroma = make_stream();
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD2D8Async(frame, pitch, 1, 640, 480, luma));
  CHECK_OK(cuMemsetD2D8Async(frame + 480 * pitch, pitch, 1, 640, 240, chroma));
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK_OK(cuMemsetD2D8Async(frame + 479 * pitch, pitch, 1, 640, 1, chroma));
  CHECK_EQUAL(nvsim_violations(), 1);
  nvsim_hold_all(0);
}

TEST(side_by_side_rectangles_do_not_race) {
  start();
  CUdeviceptr frame = 0;
  std::size_t pitch = 0;
  CHECK_OK(cuMemAllocPitch(&frame, &pitch, 640, 480, 16));
  const CUstream left = make_stream();
  const CUstream right = make_stream();
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD2D8Async(frame, pitch, 1, 320, 480, left));
  CHECK_OK(cuMemsetD2D8Async(frame + 320, pitch, 1, 320, 480, right));
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK_OK(cuMemsetD2D8Async(frame + 319, pitch, 1, 2, 480, right));
  CHECK_EQUAL(nvsim_violations(), 1);
  nvsim_hold_all(0);
}

// Rows of 40 bytes at column 80 of 100 end in the next row's first 20.
TEST(a_rectangle_whose_rows_go_on_in_the_next_races_with_what_is_there) {
  start();
  const CUdeviceptr memory = make_memory(1000);
  const CUstream left = make_stream();
  const CUstream right = make_stream();
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD2D8Async(memory, 100, 1, 50, 8, left));
  CHECK_OK(cuMemsetD2D8Async(memory + 80, 100, 1, 40, 8, right));
  CHECK_EQUAL(nvsim_violations(), 1);
  nvsim_hold_all(0);
}

TEST(a_host_wait_orders_what_follows) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, first));
  CHECK_OK(cuStreamSynchronize(first));
  CHECK_OK(cuMemsetD8Async(frame, 2, kFrame, second));
  CHECK_OK(cuStreamSynchronize(second));
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(being_done_is_not_being_known_to_be_done) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  CHECK_EQUAL(nvsim_hold(first, 1), 0);
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, first));
  CHECK_EQUAL(nvsim_step(first, 1), 1);
  CHECK_EQUAL(nvsim_pending(first), 0);
  CHECK_OK(cuMemsetD8Async(frame, 2, kFrame, second));
  CHECK_EQUAL(nvsim_violations(), 1);
}

TEST(a_query_that_says_done_is_a_wait) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  const CUevent event = make_event();
  CHECK_EQUAL(nvsim_hold(first, 1), 0);
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, first));
  CHECK_OK(cuEventRecord(event, first));
  CHECK_EQUAL(cuEventQuery(event), CUDA_ERROR_NOT_READY);
  CHECK_EQUAL(nvsim_step(first, 2), 2);
  CHECK_OK(cuEventQuery(event));
  CHECK_OK(cuMemsetD8Async(frame, 2, kFrame, second));
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(a_host_function_that_runs_is_a_wait_for_what_came_before_it) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUdeviceptr other = make_memory(kFrame);
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  CHECK_EQUAL(nvsim_hold(first, 1), 0);
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, first));
  CHECK_OK(cuLaunchHostFunc(
      first, [](void *) {}, nullptr));
  CHECK_OK(cuMemsetD8Async(other, 1, kFrame, first));
  CHECK_EQUAL(nvsim_step(first, 3), 3);
  CHECK_OK(cuMemsetD8Async(frame, 2, kFrame, second));
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK_OK(cuMemsetD8Async(other, 2, kFrame, second));
  CHECK_EQUAL(nvsim_violations(), 1);
}

TEST(an_event_recorded_too_early_does_not_order) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  const CUevent event = make_event();
  nvsim_hold_all(1);
  CHECK_OK(cuEventRecord(event, first));
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, first));
  CHECK_OK(cuStreamWaitEvent(second, event, 0));
  CHECK_OK(cuMemsetD8Async(frame, 2, kFrame, second));
  CHECK_EQUAL(nvsim_violations(), 1);
  nvsim_hold_all(0);
}

TEST(order_goes_through_a_third_stream) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUstream streams[3] = {make_stream(), make_stream(), make_stream()};
  const CUevent events[2] = {make_event(), make_event()};
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, streams[0]));
  CHECK_OK(cuEventRecord(events[0], streams[0]));
  CHECK_OK(cuStreamWaitEvent(streams[1], events[0], 0));
  CHECK_OK(cuEventRecord(events[1], streams[1]));
  CHECK_OK(cuStreamWaitEvent(streams[2], events[1], 0));
  CHECK_OK(cuMemsetD8Async(frame, 2, kFrame, streams[2]));
  CHECK_EQUAL(nvsim_violations(), 0);
  nvsim_hold_all(0);
}

TEST(a_later_access_stands_for_an_earlier_one_only_where_it_covers_it) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUdeviceptr copy = make_memory(kFrame);
  const CUstream streams[3] = {make_stream(), make_stream(), make_stream()};
  const CUevent written = make_event();
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, streams[0]));
  CHECK_OK(cuEventRecord(written, streams[0]));
  CHECK_OK(cuStreamWaitEvent(streams[1], written, 0));
  CHECK_OK(cuMemsetD8Async(frame, 2, kFrame / 2, streams[1]));
  CHECK_EQUAL(nvsim_violations(), 0);
  // Unordered with both; only the first of them wrote the second half.
  CHECK_OK(cuMemsetD8Async(frame + kFrame / 2, 3, kFrame / 2, streams[2]));
  CHECK_EQUAL(nvsim_violations(), 1);
  CHECK_OK(cuMemcpyDtoDAsync(copy, frame, kFrame / 2, streams[2]));
  CHECK_EQUAL(nvsim_violations(), 3);  // both wrote the first half
  nvsim_hold_all(0);
}

TEST(a_read_does_not_stand_for_a_write) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUdeviceptr copies[2] = {make_memory(kFrame), make_memory(kFrame)};
  const CUstream streams[3] = {make_stream(), make_stream(), make_stream()};
  const CUevent written = make_event();
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, streams[0]));
  CHECK_OK(cuEventRecord(written, streams[0]));
  CHECK_OK(cuStreamWaitEvent(streams[1], written, 0));
  CHECK_OK(cuMemcpyDtoDAsync(copies[0], frame, kFrame, streams[1]));
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK_OK(cuMemcpyDtoDAsync(copies[1], frame, kFrame, streams[2]));
  CHECK_EQUAL(nvsim_violations(), 1);
  nvsim_hold_all(0);
}

TEST(blocking_streams_are_ordered_by_the_null_stream_and_others_are_not) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUstream blocking = make_stream(CU_STREAM_DEFAULT);
  const CUstream free_running = make_stream(CU_STREAM_NON_BLOCKING);
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, nullptr));
  CHECK_OK(cuMemsetD8Async(frame, 2, kFrame, blocking));
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK_OK(cuMemsetD8Async(frame, 3, kFrame, free_running));
  CHECK(nvsim_violations() > 0);
  nvsim_hold_all(0);
}

TEST(pinned_memory_races_too) {
  start();
  const CUdeviceptr one = make_memory(kFrame);
  const CUdeviceptr two = make_memory(kFrame);
  void *staging = nullptr;
  CHECK_OK(cuMemAllocHost(&staging, kFrame));
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  nvsim_hold_all(1);
  CHECK_OK(cuMemcpyDtoHAsync(staging, one, kFrame, first));
  CHECK_OK(cuMemcpyDtoHAsync(staging, two, kFrame, second));
  CHECK_EQUAL(nvsim_violations(), 1);
  CHECK(reported("race on 'pinned host memory'"));
  nvsim_hold_all(0);
}

TEST(a_race_is_reported_once) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, first));
  for (int i = 0; i < 10; ++i) CHECK_OK(cuMemsetD8Async(frame, 2, kFrame, second));
  CHECK_EQUAL(nvsim_violations(), 1);
  CHECK(nvsim_counter("race.seen") >= 10);
  nvsim_hold_all(0);
}

TEST(with_explicit_handoff_a_thread_knows_only_what_it_waited_for_or_was_told) {
  const CUcontext context = start();
  nvsim_set_handoff(NVSIM_HANDOFF_EXPLICIT);
  const CUdeviceptr frame = make_memory(kFrame);
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  int key = 0;
  CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, first));
  CHECK_OK(cuStreamSynchronize(first));
  nvsim_handoff_send(&key);
  std::thread([&] {
    CHECK_OK(cuCtxPushCurrent(context));
    nvsim_handoff_receive(&key);
    CHECK_OK(cuMemsetD8Async(frame, 2, kFrame, second));
  }).join();
  CHECK_EQUAL(nvsim_violations(), 0);
  std::thread([&] {
    CHECK_OK(cuCtxPushCurrent(context));
    const CUstream third = make_stream();
    CHECK_OK(cuMemsetD8Async(frame, 3, kFrame, third));
  }).join();
  CHECK(nvsim_violations() > 0);
}

TEST(many_dead_streams_leave_nothing_behind) {
  start();
  const CUdeviceptr frame = make_memory(kFrame);
  for (int i = 0; i < 300; ++i) {
    const CUstream stream = make_stream();
    CHECK_OK(cuMemsetD8Async(frame, 1, kFrame, stream));
    CHECK_OK(cuStreamSynchronize(stream));
    CHECK_OK(cuStreamDestroy(stream));
  }
  CHECK_EQUAL(nvsim_violations(), 0);
  // The last writer is remembered with the frame; clocks forget the others.
  CHECK(nvsim_counter("race.parties") >= 1);
  CHECK(nvsim_counter("race.parties") <= 3);
  CHECK(nvsim_counter("race.clock") <= 3);
}
