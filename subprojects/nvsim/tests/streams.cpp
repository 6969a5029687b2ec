// SPDX-License-Identifier: LGPL-2.1-or-later
#include <atomic>
#include <thread>

#include "harness.hpp"

using harness::make_event;
using harness::make_memory;
using harness::make_stream;
using harness::reported;
using harness::start;

namespace {

// An operation that does nothing but take its turn.
void submit(CUstream stream) {
  CHECK_OK(cuLaunchHostFunc(
      stream, [](void *) {}, nullptr));
}

unsigned char byte_at(CUdeviceptr address) {
  // On a stream of its own: the NULL stream would wait for others.
  const CUstream stream = make_stream();
  unsigned char value = 0;
  CHECK_OK(cuMemcpyDtoHAsync(&value, address, 1, stream));
  CHECK_OK(cuStreamDestroy(stream));
  return value;
}

}  // namespace

TEST(a_held_stream_does_nothing_until_stepped) {
  start();
  const CUstream stream = make_stream();
  CHECK_EQUAL(nvsim_hold(stream, 1), 0);
  for (int i = 0; i < 5; ++i) submit(stream);
  CHECK_EQUAL(nvsim_pending(stream), 5);
  CHECK_EQUAL(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
  CHECK_EQUAL(nvsim_step(stream, 2), 2);
  CHECK_EQUAL(nvsim_pending(stream), 3);
  CHECK_EQUAL(nvsim_step(stream, 10), 3);
  CHECK_OK(cuStreamQuery(stream));
}

TEST(holding_all_includes_streams_to_come) {
  start();
  nvsim_hold_all(1);
  const CUstream stream = make_stream();
  submit(stream);
  submit(nullptr);
  CHECK_EQUAL(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
  CHECK_EQUAL(cuStreamQuery(nullptr), CUDA_ERROR_NOT_READY);
  nvsim_hold_all(0);
  CHECK_OK(cuCtxSynchronize());
}

TEST(work_is_done_in_order) {
  start();
  const CUstream stream = make_stream();
  static std::vector<long> order;
  for (long i = 0; i < 1000; ++i)
    CHECK_OK(cuLaunchHostFunc(
        stream, [](void *number) { order.push_back(reinterpret_cast<long>(number)); },
        reinterpret_cast<void *>(i)));
  CHECK_OK(cuStreamSynchronize(stream));
  CHECK_EQUAL(order.size(), 1000u);
  for (long i = 0; i < 1000; ++i) CHECK_EQUAL(order[static_cast<std::size_t>(i)], i);
}

TEST(a_wait_for_an_event_holds_up_only_what_follows) {
  start();
  const CUstream producer = make_stream();
  const CUstream consumer = make_stream();
  const CUevent event = make_event();
  CHECK_EQUAL(nvsim_hold(producer, 1), 0);
  submit(producer);
  CHECK_OK(cuEventRecord(event, producer));
  submit(consumer);
  CHECK_OK(cuStreamWaitEvent(consumer, event, 0));
  submit(consumer);
  CHECK_EQUAL(nvsim_hold(consumer, 1), 0);
  CHECK(nvsim_step(consumer, 10) <= 1);
  CHECK_EQUAL(nvsim_pending(consumer), 2);
  CHECK_EQUAL(cuEventQuery(event), CUDA_ERROR_NOT_READY);
  CHECK_EQUAL(nvsim_step(producer, 2), 2);
  CHECK_OK(cuEventQuery(event));
  CHECK_EQUAL(nvsim_step(consumer, 10), 2);
}

TEST(a_wait_means_the_latest_record_before_it) {
  start();
  const CUstream producer = make_stream();
  const CUstream consumer = make_stream();
  const CUevent event = make_event();
  CHECK_EQUAL(nvsim_hold(producer, 1), 0);
  submit(producer);
  CHECK_OK(cuEventRecord(event, producer));
  CHECK_OK(cuStreamWaitEvent(consumer, event, 0));
  submit(producer);
  CHECK_OK(cuEventRecord(event, producer));  // later than the wait: not waited for
  CHECK_EQUAL(nvsim_step(producer, 2), 2);
  CHECK_OK(cuStreamSynchronize(consumer));
  CHECK_EQUAL(cuEventQuery(event), CUDA_ERROR_NOT_READY);
  CHECK_EQUAL(nvsim_step(producer, 2), 2);
  CHECK_OK(cuEventQuery(event));
}

TEST(an_event_never_recorded_is_not_waited_for) {
  start();
  const CUstream stream = make_stream();
  const CUevent event = make_event();
  CHECK_OK(cuEventQuery(event));
  CHECK_OK(cuEventSynchronize(event));
  CHECK_OK(cuStreamWaitEvent(stream, event, 0));
  CHECK_OK(cuStreamSynchronize(stream));
}

TEST(the_null_stream_waits_for_blocking_streams) {
  start();
  const CUstream blocking = make_stream(CU_STREAM_DEFAULT);
  const CUstream free_running = make_stream(CU_STREAM_NON_BLOCKING);
  CHECK_EQUAL(nvsim_hold(blocking, 1), 0);
  CHECK_EQUAL(nvsim_hold(free_running, 1), 0);
  submit(free_running);
  submit(nullptr);
  CHECK_OK(cuStreamSynchronize(nullptr));  // the non-blocking stream is not waited for
  submit(blocking);
  submit(nullptr);
  CHECK_EQUAL(nvsim_hold(nullptr, 1), 0);
  CHECK_EQUAL(nvsim_step(nullptr, 1), 0);
  CHECK_EQUAL(nvsim_step(blocking, 1), 1);
  CHECK_EQUAL(nvsim_step(nullptr, 1), 1);
}

TEST(blocking_streams_wait_for_the_null_stream) {
  start();
  const CUstream blocking = make_stream(CU_STREAM_DEFAULT);
  const CUstream free_running = make_stream(CU_STREAM_NON_BLOCKING);
  CHECK_EQUAL(nvsim_hold(nullptr, 1), 0);
  submit(nullptr);
  submit(free_running);
  CHECK_OK(cuStreamSynchronize(free_running));
  CHECK_EQUAL(nvsim_hold(blocking, 1), 0);
  submit(blocking);
  CHECK_EQUAL(nvsim_step(blocking, 1), 0);
  CHECK_EQUAL(nvsim_step(nullptr, 1), 1);
  CHECK_EQUAL(nvsim_step(blocking, 1), 1);
}

TEST(null_streams_of_two_contexts_are_not_ordered) {
  start();
  submit(nullptr);
  CHECK_EQUAL(nvsim_hold(nullptr, 1), 0);
  submit(nullptr);
  CUcontext second = nullptr;
  CHECK_OK(cuCtxCreate_v2(&second, 0, 0));
  submit(nullptr);
  CHECK_OK(cuStreamSynchronize(nullptr));
}

TEST(a_stream_destroyed_with_work_still_does_it) {
  start();
  const CUstream stream = make_stream();
  const CUdeviceptr memory = make_memory(16);
  CHECK_OK(cuMemsetD8(memory, 0, 16));
  CHECK_OK(cuCtxSynchronize());
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD8Async(memory, 7, 16, stream));
  const CUevent event = make_event();
  CHECK_OK(cuEventRecord(event, stream));
  CHECK_OK(cuStreamDestroy(stream));
  nvsim_hold_all(0);
  CHECK_OK(cuEventSynchronize(event));
  CHECK_EQUAL(byte_at(memory), 7);
}

TEST(a_destroyed_stream_is_not_a_stream) {
  start();
  const CUstream stream = make_stream();
  CHECK_OK(cuStreamDestroy(stream));
  CHECK_EQUAL(cuStreamSynchronize(stream), CUDA_ERROR_INVALID_HANDLE);
  CHECK_EQUAL(cuStreamDestroy(stream), CUDA_ERROR_INVALID_HANDLE);
  CHECK(reported("of a destroyed stream"));
}

TEST(an_event_belongs_to_its_context) {
  start();
  const CUevent event = make_event();
  CUcontext second = nullptr;
  CHECK_OK(cuCtxCreate_v2(&second, 0, 0));
  const CUstream stream = make_stream();
  CHECK_EQUAL(cuEventRecord(event, stream), CUDA_ERROR_INVALID_HANDLE);
  CHECK_OK(cuStreamWaitEvent(stream, event, 0));
}

TEST(events_go_with_their_context) {
  CHECK_OK(cuInit(0));
  CUcontext context = nullptr;
  CHECK_OK(cuCtxCreate_v2(&context, 0, 0));
  const CUevent event = make_event();
  CHECK_EQUAL(nvsim_counter("event.live"), 1);
  CHECK_OK(cuCtxDestroy(context));
  CHECK_EQUAL(nvsim_counter("event.live"), 0);
  CHECK_EQUAL(cuEventQuery(event), CUDA_ERROR_INVALID_HANDLE);
  CHECK(reported("of a destroyed event"));
}

TEST(time_between_events_is_that_of_the_work) {
  start();
  const CUstream stream = make_stream();
  const CUevent begin = make_event(CU_EVENT_DEFAULT);
  const CUevent end = make_event(CU_EVENT_DEFAULT);
  CHECK_EQUAL(nvsim_hold(stream, 1), 0);
  CHECK_OK(cuEventRecord(begin, stream));
  CHECK_OK(cuEventRecord(end, stream));
  float ms = -1;
  CHECK_EQUAL(cuEventElapsedTime(&ms, begin, end), CUDA_ERROR_NOT_READY);
  CHECK_EQUAL(nvsim_hold(stream, 0), 0);
  CHECK_OK(cuStreamSynchronize(stream));
  CHECK_OK(cuEventElapsedTime(&ms, begin, end));
  CHECK(ms >= 0);
}

TEST(a_host_function_may_not_call_the_driver) {
  start();
  const CUstream stream = make_stream();
  static std::atomic<int> result{0};
  CHECK_OK(cuLaunchHostFunc(
      stream, [](void *) { result = cuCtxSynchronize(); }, nullptr));
  CHECK_OK(cuStreamSynchronize(stream));
  CHECK_EQUAL(result.load(), CUDA_ERROR_NOT_PERMITTED);
  CHECK(reported("from a host function"));
}

// A value goes through 64 streams and back to the first, ten times round, copied and made anew at
// each station: any operation out of order loses it.
TEST(sixty_four_streams_keep_the_order_of_their_events) {
  constexpr std::size_t kStreams = 64, kRounds = 10, kSize = 4096;
  start();
  std::vector<CUstream> streams;
  std::vector<CUevent> events;
  std::vector<CUdeviceptr> frames;
  for (std::size_t i = 0; i < kStreams; ++i) {
    streams.push_back(make_stream());
    events.push_back(make_event());
    frames.push_back(make_memory(kSize));
  }
  CHECK_OK(cuMemsetD8(frames.back(), 5, kSize));
  CHECK_OK(cuCtxSynchronize());
  for (std::size_t i = 0; i < kStreams * kRounds; ++i) {
    const std::size_t here = i % kStreams, before = (i + kStreams - 1) % kStreams;
    if (i > 0) CHECK_OK(cuStreamWaitEvent(streams[here], events[before], 0));
    CHECK_OK(cuMemcpyDtoDAsync(frames[here], frames[before], kSize, streams[here]));
    CHECK_OK(cuMemsetD8Async(frames[before], 0, kSize, streams[here]));
    CHECK_OK(cuEventRecord(events[here], streams[here]));
  }
  CHECK_OK(cuCtxSynchronize());
  for (std::size_t i = 0; i < kStreams; ++i)
    CHECK_EQUAL(byte_at(frames[i]), i + 1 == kStreams ? 5 : 0);
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(one_held_stream_of_sixty_four_holds_up_no_other) {
  start();
  std::vector<CUstream> streams;
  for (int i = 0; i < 64; ++i) streams.push_back(make_stream());
  CHECK_EQUAL(nvsim_hold(streams[17], 1), 0);
  const CUdeviceptr memory = make_memory(64);
  for (std::size_t i = 0; i < streams.size(); ++i)
    CHECK_OK(cuMemsetD8Async(memory + i, 1, 1, streams[i]));
  for (std::size_t i = 0; i < streams.size(); ++i)
    if (i != 17) CHECK_OK(cuStreamSynchronize(streams[i]));
  CHECK_EQUAL(nvsim_pending(streams[17]), 1);
  CHECK_EQUAL(cuStreamQuery(streams[17]), CUDA_ERROR_NOT_READY);
  CHECK_EQUAL(nvsim_hold(streams[17], 0), 0);
  CHECK_OK(cuStreamSynchronize(streams[17]));
}

TEST(there_is_no_limit_on_streams_over_a_life) {
  start();
  const CUdeviceptr memory = make_memory(4096);
  for (int i = 0; i < 2000; ++i) {
    const CUstream stream = make_stream();
    CHECK_OK(cuMemsetD8Async(memory, 0, 4096, stream));
    CHECK_OK(cuStreamSynchronize(stream));
    CHECK_OK(cuStreamDestroy(stream));
  }
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK_EQUAL(nvsim_counter("stream.live"), 0);
  CHECK_EQUAL(nvsim_counter("stream.created"), 2000);
}

TEST(each_thread_has_contexts_of_its_own) {
  const CUcontext mine = start();
  std::thread([&] {
    CUcontext current = mine;
    CHECK_OK(cuCtxGetCurrent(&current));
    CHECK(current == nullptr);
    CUdeviceptr memory = 0;
    CHECK_EQUAL(cuMemAlloc(&memory, 16), CUDA_ERROR_INVALID_CONTEXT);
    CHECK_OK(cuCtxPushCurrent(mine));
    CHECK_OK(cuMemAlloc(&memory, 16));
    CHECK_OK(cuCtxPopCurrent(&current));
    CHECK(current == mine);
    CHECK_EQUAL(cuCtxPopCurrent(&current), CUDA_ERROR_INVALID_CONTEXT);
  }).join();
}

TEST(the_primary_context_lives_while_it_is_retained) {
  CHECK_OK(cuInit(0));
  CUcontext first = nullptr;
  CUcontext second = nullptr;
  CHECK_OK(cuDevicePrimaryCtxRetain(&first, 0));
  CHECK_OK(cuDevicePrimaryCtxRetain(&second, 0));
  CHECK(first == second);
  CHECK_OK(cuCtxPushCurrent(first));
  make_memory(16);
  CHECK_OK(cuDevicePrimaryCtxRelease(0));
  make_memory(16);
  CHECK_OK(cuDevicePrimaryCtxRelease(0));
  CUdeviceptr memory = 0;
  CHECK_EQUAL(cuMemAlloc(&memory, 16), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  CHECK(reported("ended by cuDevicePrimaryCtxRelease"));
}
