// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What an operation costs with 64 streams, in time of the whole process: submitted one after the
// other to all streams, with an event between neighbours, as a pipeline of cameras would.
#include <chrono>

#include "harness.hpp"

namespace {

constexpr int kStreams = 64;
constexpr int kRounds = 200;
constexpr double kLimitUs = 10;

}  // namespace

TEST(an_operation_costs_less_than_ten_microseconds) {
  harness::start();
  std::vector<CUstream> streams;
  std::vector<CUevent> events;
  std::vector<CUdeviceptr> frames;
  for (int i = 0; i < kStreams; ++i) {
    streams.push_back(harness::make_stream());
    events.push_back(harness::make_event());
    frames.push_back(harness::make_memory(4096));
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < streams.size(); ++i) {
      CHECK_OK(cuMemsetD8Async(frames[i], 1, 64, streams[i]));
      CHECK_OK(cuEventRecord(events[i], streams[i]));
      CHECK_OK(cuStreamWaitEvent(streams[(i + 1) % kStreams], events[i], 0));
    }
  }
  CHECK_OK(cuCtxSynchronize());
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
  const double each = took.count() / static_cast<double>(nvsim_counter("operation.completed"));
  std::printf("# %.2f us an operation\n", each);
  CHECK_EQUAL(nvsim_violations(), 0);
  if (each >= kLimitUs) harness::skip("over 10 us, or a busy machine");
}
