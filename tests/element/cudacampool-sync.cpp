// SPDX-License-Identifier: LGPL-2.1-or-later
/// Who waits for what in cudacampool's hot path: nobody. By the simulated driver's own count, and
/// on streams that are held.
#include <initializer_list>
#include <thread>

#include "cuda/fence.hpp"
#include "fence-bench.hpp"
#include "support/check-main.hpp"

using namespace cudacam;
using namespace cudacam::test;

namespace {

constexpr guint64 kFrames = 1000;
constexpr guint64 kWarmUp = 50;  // first uses: streams, events

/// Calls that make memory, contexts, streams and events, or wait for them.
std::uint64_t costly_calls(const SimulatedDriver &simulated) {
  std::uint64_t sum = 0;
  for (const char *call :
       {"cuMemAlloc", "cuMemAllocPitch", "cuMemAllocAsync", "cuMemAllocHost", "cuMemCreate",
        "cuMemFree", "cuMemFreeAsync", "cuMemFreeHost", "cuCtxCreate", "cuCtxDestroy",
        "cuStreamCreate", "cuStreamCreateWithPriority", "cuStreamDestroy", "cuEventCreate",
        "cuEventDestroy", "cuCtxSynchronize", "cuStreamSynchronize", "cuEventSynchronize"})
    sum += simulated.calls(call);
  return sum;
}

/// Frames that are copied, through elements up to a sink; whether each was waited for, as elements
/// of GStreamer before 1.24 need.
void expect_waits(const std::string &launch, bool waits) {
  FenceBench bench(launch);
  for (guint8 grey = 0; grey < 10; ++grey) bench.push(grey);
  fail_unless_equals_uint64(bench.count("copied"), 10);
  const bool by_this_element = waits && (!compat::readers_wait_for_memory() ||
                                         launch.find("sync-mode=cpu") != std::string::npos);
  fail_unless_equals_uint64(bench.count("waited"), by_this_element ? 10 : 0);
  bench.expect_no_violation();
}

}  // namespace

GST_START_TEST(readers_that_know_fences_are_not_waited_for) {
  expect_waits("cudacampool name=pool slots=16 ! cudacamsink", false);
  expect_waits("cudacampool name=pool slots=16 ! queue ! cudacamsink", false);
  expect_waits("cudacampool name=pool slots=16 ! capsfilter ! identity ! cudacamsink", false);
  expect_waits(
      "cudacampool name=pool slots=16 ! tee name=t t. ! queue ! cudacamsink t. ! cudacamsink",
      false);
}
GST_END_TEST

GST_START_TEST(stock_readers_get_complete_frames) {
  expect_waits("cudacampool name=pool slots=16 ! fakesink sync=false", true);
  expect_waits(
      "cudacampool name=pool slots=16 ! tee name=t t. ! queue ! cudacamsink "
      "t. ! queue ! fakesink sync=false",
      true);
}
GST_END_TEST

GST_START_TEST(the_sync_mode_decides_for_all) {
  expect_waits("cudacampool name=pool slots=16 sync-mode=gpu ! fakesink sync=false", false);
  expect_waits("cudacampool name=pool sync-mode=cpu ! cudacamsink", true);
}
GST_END_TEST

/// A complete frame needs no wait: a reader that makes none is not reported.
GST_START_TEST(complete_frames_can_be_read_at_once) {
  FenceBench bench("cudacampool name=pool sync-mode=cpu ! cudacamsink");
  Reader reader(bench.gpu());
  bench.simulated.delay(500, 1);
  for (guint8 grey = 0; grey < 10; ++grey) {
    bench.push(bench.gpu().frame(grey));
    const auto lease = bench.acquire();
    reader.launch(lease.get());
    fail_unless_equals_int(reader.result(), grey);
  }
  bench.expect_no_violation();
}
GST_END_TEST

/// Frames that come in system memory to a GPU's reader, or that nothing orders, need no fence.
GST_START_TEST(frames_in_system_memory_need_no_fence) {
  auto *harness = gst_harness_new_parse("cudacampool sync-mode=gpu ! cudacamsink");
  gst_harness_set_src_caps_str(harness, "video/x-raw,format=GRAY8,width=4,height=4,framerate=30/1");
  gst_harness_push(harness, gst_harness_create_buffer(harness, 16));
  const auto sink = adopt(gst_harness_find_element(harness, "cudacamsink"));
  const LeasePtr lease(
      gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink.get()), "reader", 0, nullptr));
  fail_unless(gst_cuda_cam_lease_get_frame_meta(lease.get())->fence == nullptr);
  GError *error = nullptr;
  fail_unless(gst_cuda_cam_lease_wait(lease.get(), &error) && !error);
  fail_unless(gst_cuda_cam_lease_wait_on_stream(lease.get(), nullptr, &error) && !error);
  fail_unless(gst_cuda_cam_lease_release_after(lease.get(), nullptr, &error) && !error);
  fail_unless(gst_cuda_cam_lease_get_buffer(lease.get()) == nullptr);
  gst_harness_teardown(harness);
}
GST_END_TEST

GST_START_TEST(foreign_frames_on_the_gpu_have_no_fence_and_say_so) {
  Gpu gpu;
  const auto frame = gpu.frame(1);
  const CapsPtr caps(gst_caps_from_string("video/x-raw(memory:CUDAMemory),format=NV12"));
  const LeasePtr lease(gst_cuda_cam_lease_new(frame.get(), caps.get(), "reader", nullptr, nullptr));
  GError *error = nullptr;
  fail_unless(!gst_cuda_cam_lease_release_after(lease.get(), nullptr, &error));
  fail_unless(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SYNC));
  g_clear_error(&error);
  fail_unless(gst_cuda_cam_lease_get_buffer(lease.get()) != nullptr);
}
GST_END_TEST

GST_START_TEST(a_thousand_copied_frames_cost_no_memory_and_no_wait) {
  FenceBench bench("cudacampool name=pool slots=4 ! cudacamsink");
  Reader one(bench.gpu()), two(bench.gpu());
  std::vector<BufferPtr> sources;
  for (guint8 grey = 0; grey < 4; ++grey) sources.push_back(bench.gpu().frame(grey));
  std::uint64_t before = 0;
  for (guint64 i = 0; i < kWarmUp + kFrames; ++i) {
    if (i == kWarmUp) before = costly_calls(bench.simulated);
    bench.push(share(sources[i % sources.size()].get()));
    for (auto *reader : {&one, &two}) {
      const auto lease = bench.acquire(reader == &one ? "one" : "two");
      wait_on_stream(lease, *reader);
      reader->launch(lease.get());
      release_after(lease, *reader);
    }
    // As fast as the GPU, without a wait that would be counted.
    for (auto *reader : {&one, &two})
      while (bench.simulated.pending(reader->stream())) std::this_thread::yield();
  }
  fail_unless_equals_uint64(costly_calls(bench.simulated), before);
  fail_unless_equals_uint64(bench.count("copied"), kWarmUp + kFrames);
  fail_unless_equals_uint64(bench.count("waited"), 0);
  fail_unless_equals_uint64(bench.count("dropped"), 0);
  fail_unless_equals_int(one.result(), (kWarmUp + kFrames - 1) % 4);
  bench.expect_no_violation();
}
GST_END_TEST

namespace {

/// What 1,000 decoded frames cost on their way through `rest`.
std::uint64_t cost_of_decoded_frames(const std::string &rest) {
  struct Count {
    SimulatedDriver simulated;
    guint64 frames = 0;
    std::uint64_t before = 0, after = 0;
  } count;
  const auto pipeline = sink(gst_parse_launch(
      ("videotestsrc num-buffers=" + std::to_string(kWarmUp + kFrames) +
       " ! video/x-raw,width=64,height=48 ! x264enc speed-preset=ultrafast tune=zerolatency ! "
       "h264parse ! nvh264dec name=decoder ! video/x-raw(memory:CUDAMemory) ! " +
       rest)
          .c_str(),
      nullptr));
  fail_unless(pipeline != nullptr);
  const auto decoder = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "decoder"));
  const auto pad = adopt(gst_element_get_static_pad(decoder.get(), "src"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *, GstPadProbeInfo *, gpointer data) {
        auto &it = *static_cast<Count *>(data);
        ++it.frames;
        if (it.frames == kWarmUp) it.before = costly_calls(it.simulated);
        if (it.frames == kWarmUp + kFrames) it.after = costly_calls(it.simulated);
        return GST_PAD_PROBE_OK;
      },
      &count, nullptr);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const auto bus = adopt(gst_element_get_bus(pipeline.get()));
  const MessagePtr message(gst_bus_timed_pop_filtered(
      bus.get(), 100 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  fail_unless(message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  fail_unless_equals_uint64(count.frames, kWarmUp + kFrames);
  return count.after - count.before;
}

}  // namespace

GST_START_TEST(a_thousand_decoded_frames_cost_nothing_on_top_of_what_the_decoder_does) {
  if (!adopt(gst_element_factory_find("nvh264dec"))) return;
  const auto decoder_alone = cost_of_decoded_frames("fakesink sync=false");
  fail_unless_equals_uint64(cost_of_decoded_frames("cudacampool ! cudacamsink"), decoder_alone);
  fail_unless_equals_uint64(cost_of_decoded_frames("cudacampool ! fakesink sync=false"),
                            decoder_alone);
}
GST_END_TEST

GST_START_TEST(the_release_of_a_source_waits_for_the_copy) {
  Gpu gpu;
  const SimulatedDriver simulated;
  const auto fence = std::make_shared<Fence>(gpu.context());
  Reader copy(gpu), releases(gpu);
  auto source = gpu.frame(1);
  const Watched watched(source.get());
  simulated.hold(copy.stream(), true);
  simulated.hold(releases.stream(), true);
  fence->written_on(copy.stream());
  fence->keep(std::move(source), releases.stream());
  fail_unless_equals_int(simulated.step(releases.stream(), 9), 0);
  fail_unless(!watched.gone());
  simulated.hold(copy.stream(), false);
  simulated.hold(releases.stream(), false);
  watched.await_gone();
}
GST_END_TEST

GST_START_TEST(a_source_is_kept_until_its_copy_is_complete) {
  FenceBench bench;
  auto frame = bench.gpu().frame(7);
  const Watched source(frame.get());
  bench.simulated.hold_all(true);
  bench.push(std::move(frame));
  gst_cuda_cam_lease_release(bench.acquire().get());
  fail_unless(!source.gone(), "the copy has yet to read it");
  bench.simulated.hold_all(false);
  source.await_gone();
  bench.expect_no_violation();
}
GST_END_TEST

/// Also of a frame that nobody reads, when the pipeline is gone.
GST_START_TEST(a_source_is_kept_beyond_the_pipeline) {
  Gpu gpu;
  auto frame = gpu.frame(7);
  const Watched source(frame.get());
  LeasePtr lease;
  Reader reader(gpu);
  {
    FenceBench bench("cudacampool name=pool slots=3 ! cudacamsink", &gpu);
    // Stopping may free memory, which takes as long as work on the GPU does.
    bench.simulated.let_free_wait(false);
    bench.leave_copies_to_the_driver();
    bench.simulated.hold_all(true);
    bench.push(std::move(frame));
    lease = bench.acquire();
    wait_on_stream(lease, reader);
    reader.launch(lease.get());
    gst_element_set_state(bench.harness()->element, GST_STATE_NULL);
    fail_unless(!source.gone());
  }
  source.await_gone();
  fail_unless_equals_int(reader.result(), 7);
  fail_unless_equals_int(SimulatedDriver().violations(), 0);
}
GST_END_TEST

/// Upstream waits for its buffers to come back: no later frame comes that would give them back.
GST_START_TEST(upstream_with_few_buffers_gets_them_back_without_a_further_frame) {
  FenceBench bench;
  bench.simulated.delay(200, 1);
  for (int i = 0; i < 100; ++i) {
    bench.push(1);  // comes back when its only source has
  }
  fail_unless_equals_uint64(bench.count("dropped"), 0);
  bench.expect_no_violation();
}
GST_END_TEST

/// Sources that wait for a GPU that does nothing: one for each slot, then frames are dropped.
GST_START_TEST(kept_sources_are_bounded_by_the_slots) {
  FenceBench bench("cudacampool name=pool slots=3 ! cudacamsink");
  std::vector<BufferPtr> frames;
  for (guint8 grey = 0; grey < 10; ++grey) frames.push_back(bench.gpu().frame(grey));
  std::vector<std::unique_ptr<Watched>> sources;
  bench.simulated.hold_all(true);
  for (auto &frame : frames) {
    sources.push_back(std::make_unique<Watched>(frame.get()));
    bench.push(std::move(frame));
  }
  fail_unless_equals_uint64(bench.count("copied"), 3);
  fail_unless_equals_uint64(bench.count("dropped"), 7);
  for (std::size_t i = 0; i < sources.size(); ++i)
    fail_unless_equals_int(sources[i]->gone(), i >= 3);
  bench.simulated.hold_all(false);
  for (auto &source : sources) source->await_gone();
  bench.expect_no_violation();
}
GST_END_TEST

/// Its first plane is queued and its second fails, or what says when it ends does: the source goes
/// back only when nothing of it is queued any more.
GST_START_TEST(a_copy_that_fails_half_way_keeps_its_source_until_nothing_reads_it) {
  FenceBench bench;
  bench.leave_copies_to_the_driver();
  bench.push(1);
  auto frame = bench.gpu().frame(7);
  const Watched source(frame.get());
  const auto waits = bench.simulated.calls("cuStreamSynchronize");
  bench.simulated.hold_all(true);
  fail_unless(bench.simulated.fault(__i__ ? "cuEventRecord@1=CUDA_ERROR_INVALID_VALUE"
                                          : "cuMemcpy2DAsync@2=CUDA_ERROR_INVALID_VALUE"));
  std::atomic<bool> returned{false};
  GstFlowReturn flow = GST_FLOW_OK;
  std::thread camera([&] {
    flow = gst_harness_push(bench.harness(), frame.release());
    returned = true;
  });
  while (bench.simulated.calls("cuStreamSynchronize") == waits && !returned)
    std::this_thread::yield();
  const bool gone = source.gone();
  bench.simulated.hold_all(false);
  camera.join();
  fail_unless(!gone, "the source went back under a copy");
  fail_unless_equals_int(flow, GST_FLOW_OK);
  fail_unless_equals_uint64(bench.count("write-errors"), 1);
  source.await_gone();
  bench.expect_no_violation();
}
GST_END_TEST

namespace {

/// Two slots, a reader that reads while both are written again, and what the simulated driver says
/// of it when FAULT is in force.
void race_through(FenceBench &bench, const std::string &fault) {
  std::vector<BufferPtr> frames;
  for (guint8 grey = 2; grey < 6; ++grey) frames.push_back(bench.gpu().frame(grey));
  auto first = bench.gpu().frame(1);
  Reader reader(bench.gpu());
  // Nobody is to see that the copy has ended before the reader comes: that keeps the order, too.
  bench.simulated.hold_all(true);
  if (!fault.empty()) fail_unless(bench.simulated.fault(fault), "%s", fault.c_str());
  bench.push(std::move(first));
  auto lease = bench.acquire();
  wait_on_stream(lease, reader);
  bench.simulated.hold(reader.stream(), true);
  reader.launch(lease.get());
  bench.simulated.hold_all(false);
  release_after(lease, reader);
  for (auto &frame : frames) bench.push(std::move(frame));
  bench.simulated.hold(reader.stream(), false);
  reader.finish();
  bench.simulated.clear_faults();
}

}  // namespace

/// Each call that keeps the order, left out: the simulated driver must see it. Counted from the
/// first frame: cuEventRecord 1 ready, 2 the reader's mark, 3 done; cuStreamWaitEvent 1 the release
/// of the source, 2 the reader, 3 join, 4 the writer.
GST_START_TEST(every_fence_is_needed) {
  {
    FenceBench bench("cudacampool name=pool slots=2 ! cudacamsink");
    race_through(bench, "");
    bench.expect_no_violation();
  }
  for (const char *fault :
       {"cuEventRecord@2=skip", "cuEventRecord@3=skip", "cuStreamWaitEvent@2=skip",
        "cuStreamWaitEvent@3=skip", "cuEventQuery@*=skip"}) {
    // Where a thread has happened to see in time that the GPU was done, that keeps the order, too.
    constexpr int kAttempts = 20;
    bool raced = false;
    for (int attempt = 0; attempt < kAttempts && !raced; ++attempt) {
      FenceBench bench("cudacampool name=pool slots=2 ! cudacamsink");
      race_through(bench, fault);
      raced = bench.raced();
    }
    fail_unless(raced, "no race with %s", fault);
  }
}
GST_END_TEST

static Suite *cudacampool_sync_suite() {
  auto *suite = suite_create("cudacampool-sync");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, readers_that_know_fences_are_not_waited_for);
  tcase_add_test(tests, stock_readers_get_complete_frames);
  tcase_add_test(tests, the_sync_mode_decides_for_all);
  tcase_add_test(tests, complete_frames_can_be_read_at_once);
  tcase_add_test(tests, frames_in_system_memory_need_no_fence);
  tcase_add_test(tests, foreign_frames_on_the_gpu_have_no_fence_and_say_so);
  tcase_add_test(tests, a_thousand_copied_frames_cost_no_memory_and_no_wait);
  tcase_add_test(tests, a_thousand_decoded_frames_cost_nothing_on_top_of_what_the_decoder_does);
  tcase_add_test(tests, the_release_of_a_source_waits_for_the_copy);
  tcase_add_test(tests, a_source_is_kept_until_its_copy_is_complete);
  tcase_add_test(tests, a_source_is_kept_beyond_the_pipeline);
  tcase_add_test(tests, upstream_with_few_buffers_gets_them_back_without_a_further_frame);
  tcase_add_test(tests, kept_sources_are_bounded_by_the_slots);
  tcase_add_loop_test(tests, a_copy_that_fails_half_way_keeps_its_source_until_nothing_reads_it, 0,
                      2);
  tcase_add_test(tests, every_fence_is_needed);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_sync, !SimulatedDriver() || !gst_cuda_load_library()
                                        ? "the simulated driver counts, and this is not on it"
                                        : "")
