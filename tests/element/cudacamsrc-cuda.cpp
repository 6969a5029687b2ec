// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a lost camera costs on a GPU, by the simulated driver's own count. Skipped without it.
#include "camera-bench.hpp"
#include "support/check-main.hpp"
#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::adopt;
using cudacam::test::CameraBench;
using cudacam::test::number;
using cudacam::test::SimulatedDriver;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

constexpr guint64 kReconnects = 20;

/// What a reconnect could cost and must not.
struct Costs {
  std::int64_t decoders_created, decoders_destroyed, allocated, freed, contexts, streams;
};

Costs costs() {
  const SimulatedDriver driver;
  return {driver.counter("decoder.created"),  driver.counter("decoder.destroyed"),
          driver.counter("memory.allocated"), driver.counter("memory.freed"),
          driver.counter("context.created"),  driver.counter("stream.created")};
}

void expect_reconnects_cost_nothing(const TestCameraOptions &options) {
  TestCamera camera(options);
  CameraBench bench("location=" + camera.url(),
                    "cudacampool name=pool ! video/x-raw(memory:CUDAMemory) ! fakesink sync=false");
  bench.play();
  bench.wait_connection(1);
  const Costs before = costs();
  fail_unless_equals_int64(before.decoders_created, 1);
  fail_unless(before.allocated > 0);

  for (guint64 i = 1; i <= kReconnects; i++) {
    bench.wait_frames(3);
    i % 2 ? camera.close_connections() : camera.reset_connections();
    bench.wait_connection(i + 1);
  }
  const Costs after = costs();
  fail_unless_equals_int64(after.decoders_created, 1);
  fail_unless_equals_int64(after.decoders_destroyed, 0);
  fail_unless_equals_int64(after.allocated, before.allocated);
  fail_unless_equals_int64(after.freed, before.freed);
  fail_unless_equals_int64(after.contexts, before.contexts);
  fail_unless_equals_int64(after.streams, before.streams);

  const auto pool = adopt(gst_bin_get_by_name(GST_BIN(bench.pipeline()), "pool"));
  fail_unless_equals_uint64(number(pool.get(), "copied"), 0);
  fail_unless_equals_uint64(number(pool.get(), "generation"), 1);
  fail_unless(number(pool.get(), "frames") >= 3 * kReconnects);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.checker.bad(), 0);
}

}  // namespace

GST_START_TEST(twenty_reconnects_need_one_decoder_and_no_memory) {
  TestCameraOptions options;
  options.gop = 10;
  expect_reconnects_cost_nothing(options);
}
GST_END_TEST

/// Frames are inside the decoder when the camera goes.
GST_START_TEST(so_do_those_of_a_camera_that_reorders) {
  TestCameraOptions options;
  options.gop = 12;
  options.b_frames = 2;
  expect_reconnects_cost_nothing(options);
}
GST_END_TEST

static Suite *cudacamsrc_cuda_suite() {
  auto *suite = suite_create("cudacamsrc-cuda");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, twenty_reconnects_need_one_decoder_and_no_memory);
  tcase_add_test(tests, so_do_those_of_a_camera_that_reorders);
  return suite;
}

CHECK_MAIN_UNLESS(cudacamsrc_cuda, cudacam::test::no_simulated_driver())
