// SPDX-License-Identifier: LGPL-2.1-or-later
/// copy-combiner HOST-BUILD-OF-THE-KERNELS: several cameras' frames in one launch, on the simulated
/// driver. The elements are of this program rather than of the plugin, so that the test can have
/// the threads that are inside launches while the cameras want one: they wait exactly as long as
/// those stay there.
#include <fstream>
#include <future>
#include <iterator>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "cameras-bench.hpp"
#include "lease/cudacamsink.hpp"
#include "pool/cudacampool.hpp"
#include "support/check-main.hpp"

using namespace cudacam;
using namespace cudacam::test;

namespace {

const SimulatedDriver simulated;

std::uint64_t launches() {
  return simulated.calls("cuLaunchKernel");
}

}  // namespace

GST_START_TEST(cameras_that_wait_are_one_launch) {
  for (const std::size_t count : {2, 5, 16}) {
    Cameras cameras(count);
    auto before = launches();
    cameras.push_together(10);
    fail_unless_equals_uint64(launches() - before, 1);
    cameras.expect_pixels(10);
    cameras.push_together(50);
    fail_unless_equals_uint64(launches() - before, 2);
    cameras.expect_pixels(50);
    fail_unless_equals_uint64(cameras.combiner().shared_copies(), 2 * count);
    cameras.camera(0).expect_no_violation();
  }
}
GST_END_TEST

GST_START_TEST(more_than_sixteen_are_two_launches) {
  Cameras cameras(19);
  const auto before = launches();
  cameras.push_together(10);
  fail_unless_equals_uint64(launches() - before, 2);
  cameras.expect_pixels(10);
  cameras.camera(0).expect_no_violation();
}
GST_END_TEST

GST_START_TEST(a_camera_by_itself_keeps_its_stream) {
  Cameras cameras(3);
  const auto before = launches(), asked = simulated.calls("cuStreamQuery");
  for (guint8 grey = 5; grey < 15; ++grey)
    for (std::size_t i = 0; i < 3; ++i) cameras.push(i, grey);
  fail_unless_equals_uint64(launches() - before, 30);
  fail_unless_equals_uint64(cameras.combiner().shared_launches(), 0);
  fail_unless_equals_uint64(simulated.calls("cuStreamQuery"), asked);
  cameras.camera(0).expect_no_violation();
}
GST_END_TEST

/// The GPU stands still, so every read that does not wait for the copy is early.
GST_START_TEST(readers_on_streams_wait_for_a_shared_launch) {
  Cameras cameras(4);
  Readers readers(cameras);
  Launching launching(cameras.combiner());
  cameras.push_all_to_wait(20);
  simulated.hold_all(true);
  launching.go_on();
  cameras.expect_pushed();
  readers.launch();
  readers.expect_waiting();
  simulated.hold_all(false);
  readers.expect(20);
  cameras.camera(0).expect_no_violation();
}
GST_END_TEST

GST_START_TEST(a_reader_that_does_not_wait_for_a_shared_launch_is_reported) {
  Cameras cameras(2);
  Reader reader(cameras.gpu());
  Launching launching(cameras.combiner());
  cameras.push_all_to_wait(20);
  simulated.hold_all(true);
  launching.go_on();
  cameras.expect_pushed();
  reader.launch(cameras.camera(1).acquire().get());
  simulated.hold_all(false);
  reader.finish();
  cameras.camera(0).expect_race();
}
GST_END_TEST

/// Stock elements wait for the stream that the memory names, from GStreamer 1.24 on, and download
/// on the NULL stream before.
GST_START_TEST(stock_readers_get_what_a_shared_launch_copied) {
  Cameras cameras(3, "slots=3 sync-mode=gpu", "appsink name=out sync=false");
  simulated.delay(3000, 1);
  cameras.push_together(30);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto out =
        adopt(gst_bin_get_by_name(GST_BIN(cameras.camera(i).harness()->element), "out"));
    for (int frame = 0; frame < 2; ++frame) {
      GstSample *sample = nullptr;
      g_signal_emit_by_name(out.get(), "pull-sample", &sample);
      wait_for_producer(gst_buffer_peek_memory(gst_sample_get_buffer(sample), 0));
      fail_unless_equals_int(cameras.gpu().grey(gst_sample_get_buffer(sample)), frame ? 30 + i : 1);
      gst_sample_unref(sample);
    }
  }
  cameras.camera(0).expect_no_violation();
}
GST_END_TEST

GST_START_TEST(complete_frames_are_waited_for_in_a_shared_launch_too) {
  Cameras cameras(3, "slots=3 sync-mode=cpu");
  simulated.delay(2000, 1);
  cameras.push_together(40);
  for (std::size_t i = 0; i < 3; ++i) {
    Reader reader(cameras.gpu());
    reader.launch(cameras.camera(i).acquire().get());  // without waiting
    fail_unless_equals_int(reader.result(), 40 + i);
  }
  cameras.camera(0).expect_no_violation();
}
GST_END_TEST

/// A slow reader of one camera: its copy waits on that camera's stream, and nobody else does.
GST_START_TEST(a_slow_reader_of_one_camera_holds_up_no_other) {
  Cameras cameras(3);
  Readers readers(cameras);
  FenceBench slow("cudacampool name=pool slots=2 ! cudacamsink", &cameras.gpu());
  Reader reader(cameras.gpu());
  slow.push(1);
  {
    const auto lease = slow.acquire();
    wait_on_stream(lease, reader);
    simulated.hold(reader.stream(), true);
    reader.launch(lease.get());
    release_after(lease, reader);
  }
  slow.push(2);
  {
    Launching launching(cameras.combiner());
    cameras.push_to_wait(cameras.make_frames(60), 0);  // the reader is held
    slow.push(cameras.gpu().frame(3));  // into the slot that is read; returns, so it did not queue
    fail_unless_equals_int(cameras.combiner().waiting(), 3);
    launching.go_on();
    cameras.expect_pushed();
  }
  readers.launch();
  readers.await_end();  // while the slow one is held
  fail_unless_equals_uint64(cameras.combiner().shared_copies(), 3);
  simulated.hold(reader.stream(), false);
  readers.expect(60);
  fail_unless_equals_int(reader.result(), 1);
  slow.await_no_pending_slot();
  slow.expect_no_violation();
}
GST_END_TEST

/// So its copies stay in the order of its stream, whatever else is queued there.
GST_START_TEST(a_camera_whose_stream_has_work_does_not_share) {
  Cameras cameras(3);
  Readers readers(cameras);
  auto frames = cameras.make_frames(70), earlier = cameras.make_frames(65);
  simulated.hold_all(true);
  cameras.camera(0).push(std::move(earlier[0]));
  {
    Launching launching(cameras.combiner());
    auto next = std::move(frames[0]);
    cameras.push_to_wait(std::move(frames), 1);
    cameras.camera(0).push(std::move(next));
    fail_unless_equals_int(cameras.combiner().waiting(), 2);
    launching.go_on();
    cameras.expect_pushed();
  }
  readers.launch();
  readers.expect_waiting();
  simulated.hold_all(false);
  readers.expect(70);
  cameras.camera(0).expect_no_violation();
}
GST_END_TEST

/// A source that is still being written, which only GStreamer 1.24 and later leave to others.
GST_START_TEST(a_source_under_way_does_not_share) {
  if (!compat::readers_wait_for_memory()) return;
  Cameras cameras(2);
  Readers readers(cameras);
  FenceBench late("cudacampool name=pool slots=3 ! cudacamsink", &cameras.gpu());
  late.push(1);
  auto frame = cameras.gpu().frame(7);
  auto others = cameras.make_frames(70);  // their upload is on the stream that is held
  auto *memory = gst_buffer_peek_memory(frame.get(), 0);
  leave_to_readers(memory);
  auto *writer = compat::pending_stream(memory);
  fail_unless(writer != nullptr);
  simulated.hold(writer, true);
  // Something to do for it.
  GstMapInfo map;
  fail_unless(gst_memory_map(memory, &map, GstMapFlags(GST_MAP_WRITE | GST_MAP_CUDA)));
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = copy.dstDevice = reinterpret_cast<CUdeviceptr>(map.data);
  copy.WidthInBytes = 4;
  copy.Height = 1;
  {
    const ContextScope scope(cameras.gpu().context());
    driver().cuMemcpy2DAsync(&copy, writer);
  }
  gst_memory_unmap(memory, &map);
  {
    Launching launching(cameras.combiner());
    cameras.push_to_wait(std::move(others), 0);
    late.push(std::move(frame));
    fail_unless_equals_int(cameras.combiner().waiting(), 2);
    launching.go_on();
    cameras.expect_pushed();
  }
  readers.launch();
  readers.await_end();  // while the writer is held
  simulated.hold(writer, false);
  readers.expect(70);
  late.await_no_pending_slot();
  late.expect_no_violation();
}
GST_END_TEST

GST_START_TEST(a_failed_shared_launch_is_made_up_for_by_each_camera) {
  Cameras cameras(4);
  Launching launching(cameras.combiner());
  cameras.push_all_to_wait(80);
  const auto before = launches();
  fail_unless(simulated.fault("cuLaunchKernel@1=CUDA_ERROR_INVALID_VALUE"));
  launching.go_on();
  cameras.expect_pushed();
  fail_unless_equals_uint64(launches() - before, 1 + 4);
  cameras.expect_pixels(80);
  cameras.expect_silence();
  cameras.push_together(90);
  fail_unless_equals_uint64(launches() - before, 1 + 4 + 1);
  cameras.expect_pixels(90);
  cameras.camera(0).expect_no_violation();
}
GST_END_TEST

GST_START_TEST(each_camera_reports_the_failure_of_its_own_try) {
  Cameras cameras(3, "slots=4");
  Launching launching(cameras.combiner());
  cameras.push_all_to_wait(80);
  const auto before = launches();
  fail_unless(simulated.fault("cuLaunchKernel@1+=CUDA_ERROR_INVALID_VALUE"));
  launching.go_on();
  cameras.expect_pushed();
  simulated.clear_faults();
  fail_unless_equals_uint64(launches() - before, 1 + 3);  // each tried once
  cameras.expect_each_says(GST_MESSAGE_WARNING, "cuLaunchKernel: CUDA_ERROR_INVALID_VALUE");
  for (std::size_t i = 0; i < 3; ++i)
    fail_unless_equals_uint64(cameras.camera(i).count("write-errors"), 1);
  cameras.push_together(90);
  cameras.expect_pixels(90);
  cameras.expect_silence();
  cameras.camera(0).expect_no_violation();
}
GST_END_TEST

GST_START_TEST(only_the_camera_whose_record_fails_loses_its_frame) {
  for (int failing = 1; failing <= 3; ++failing) {
    Cameras cameras(3, "slots=4");
    Launching launching(cameras.combiner());
    cameras.push_all_to_wait(80);
    simulated.delay(2000, 1);
    fail_unless(
        simulated.fault("cuEventRecord@" + std::to_string(failing) + "=CUDA_ERROR_INVALID_VALUE"));
    launching.go_on();
    cameras.expect_pushed();
    int lost = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto text = cameras.message(i, GST_MESSAGE_WARNING);
      fail_unless_equals_uint64(cameras.camera(i).count("write-errors"), text.empty() ? 0 : 1);
      if (text.empty()) {
        fail_unless_equals_int(cameras.read(i), 80 + i);
        continue;
      }
      ++lost;
      fail_unless(text.find("Camera cam" + std::to_string(i) + ":") == 0 &&
                      text.find("cuEventRecord") != std::string::npos,
                  "%s", text.c_str());
    }
    fail_unless_equals_int(lost, 1);
    cameras.camera(0).expect_no_violation();
  }
}
GST_END_TEST

/// LeakSanitizer's, where the program is built with it.
extern "C" __attribute__((weak)) void __lsan_disable();

GST_START_TEST(after_an_error_of_the_process_nobody_tries_again) {
  if (__lsan_disable) __lsan_disable();  // the slots are left behind
  Cameras cameras(3);
  Launching launching(cameras.combiner());
  cameras.push_all_to_wait(80);
  const auto before = launches();
  fail_unless(simulated.fault("cuLaunchKernel@1=CUDA_ERROR_LAUNCH_FAILED"));
  launching.go_on();
  cameras.await_pushed();
  fail_unless_equals_uint64(launches() - before, 1);
  cameras.expect_each_says(GST_MESSAGE_ERROR, "cuLaunchKernel: CUDA_ERROR_LAUNCH_FAILED");
  simulated.set_error(0);  // for the teardown of what is not ours
}
GST_END_TEST

/// As fast as they can, with readers of both kinds, on a GPU that takes its time now and then.
GST_START_TEST(cameras_in_a_hurry_copy_exactly) {
  constexpr int kCameras = 6, kFrames = 60;
  Cameras cameras(kCameras, "slots=4");
  simulated.delay(200, 3);
  std::vector<std::future<void>> threads;
  std::vector<std::vector<BufferPtr>> frames(kCameras);
  for (int i = 0; i < kCameras; ++i)
    for (int grey = 2; grey < 2 + kFrames; ++grey)
      frames[i].push_back(cameras.gpu().frame(static_cast<guint8>(grey * 4 + i)));
  for (int i = 0; i < kCameras; ++i)
    threads.push_back(std::async(std::launch::async, [&, i] {
      auto &camera = cameras.camera(i);
      Reader reader(cameras.gpu());
      for (int n = 0; n < kFrames; ++n) {
        const auto dropped = camera.count("dropped");
        camera.push(std::move(frames[i][n]));
        if (camera.count("dropped") > dropped) continue;
        const auto lease = camera.acquire();
        wait_on_stream(lease, reader);
        reader.launch(lease.get());
        release_after(lease, reader);
        fail_unless_equals_int(reader.result(), static_cast<guint8>((n + 2) * 4 + i));
      }
    }));
  for (auto &thread : threads) thread.get();
  cameras.camera(0).expect_no_violation();
  GST_INFO("%" G_GUINT64_FORMAT " copies in %" G_GUINT64_FORMAT " shared launches",
           cameras.combiner().shared_copies(), cameras.combiner().shared_launches());
}
GST_END_TEST

static Suite *copy_combiner_suite() {
  auto *suite = suite_create("copy-combiner");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, cameras_that_wait_are_one_launch);
  tcase_add_test(tests, more_than_sixteen_are_two_launches);
  tcase_add_test(tests, a_camera_by_itself_keeps_its_stream);
  tcase_add_test(tests, readers_on_streams_wait_for_a_shared_launch);
  tcase_add_test(tests, a_reader_that_does_not_wait_for_a_shared_launch_is_reported);
  tcase_add_test(tests, stock_readers_get_what_a_shared_launch_copied);
  tcase_add_test(tests, complete_frames_are_waited_for_in_a_shared_launch_too);
  tcase_add_test(tests, a_slow_reader_of_one_camera_holds_up_no_other);
  tcase_add_test(tests, a_camera_whose_stream_has_work_does_not_share);
  tcase_add_test(tests, a_source_under_way_does_not_share);
  tcase_add_test(tests, a_failed_shared_launch_is_made_up_for_by_each_camera);
  tcase_add_test(tests, each_camera_reports_the_failure_of_its_own_try);
  tcase_add_test(tests, only_the_camera_whose_record_fails_loses_its_frame);
  tcase_add_test(tests, after_an_error_of_the_process_nobody_tries_again);
  tcase_add_test(tests, cameras_in_a_hurry_copy_exactly);
  return suite;
}

int main(int argc, char **argv) {
  gst_check_init(&argc, &argv);
  if (!simulated || !gst_cuda_load_library())
    return skipped("streams are held on the simulated driver only");
  std::ifstream file(argc > 1 ? argv[1] : "", std::ios::binary);
  host_build.assign(std::istreambuf_iterator<char>(file), {});
  if (host_build.empty()) {
    g_print("usage: %s HOST-BUILD-OF-THE-KERNELS\n", argv[0]);
    return 2;
  }
  if (!GST_ELEMENT_REGISTER(cudacampool, nullptr) || !GST_ELEMENT_REGISTER(cudacamsink, nullptr))
    return 1;
  return gst_check_run_suite(copy_combiner_suite(), "copy-combiner", __FILE__);
}
