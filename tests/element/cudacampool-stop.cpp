// SPDX-License-Identifier: LGPL-2.1-or-later
/// A cudacampool is stopped while a GPU works, on streams that the test holds.
#include "fence-bench.hpp"
#include "support/check-main.hpp"
#include "support/wait-until.hpp"

using namespace cudacam::test;

/// The driver unloads kernels, too, when all of the context's work has ended.
GST_START_TEST(a_stop_returns_while_a_reader_still_reads) {
  FenceBench bench;
  bench.push(7);
  auto lease = bench.acquire();
  Reader reader(bench.gpu());
  wait_on_stream(lease, reader);
  bench.simulated.hold(reader.stream(), true);
  reader.launch(lease.get());
  release_after(lease, reader);
  lease.reset();
  gst_element_set_state(bench.harness()->element, GST_STATE_NULL);  // returns
  bench.simulated.hold(reader.stream(), false);
  fail_unless_equals_int(reader.result(), 7);
  bench.expect_no_violation();
}
GST_END_TEST

/// A reader that never lets go costs its slot, not all of them.
GST_START_TEST(after_a_stop_only_held_frames_keep_memory) {
  FenceBench bench;
  const auto slots = [&] { return bench.simulated.counter("reservation.live"); };
  bench.push(7);
  auto lease = bench.acquire();
  fail_unless_equals_int64(slots(), 4);  // with the overflow slot
  gst_element_set_state(bench.harness()->element, GST_STATE_NULL);
  wait_until([&] { return slots() == 2; });
  fail_unless_equals_int(bench.gpu().grey(gst_cuda_cam_lease_get_buffer(lease.get())), 7);
  lease.reset();
  wait_until([&] { return slots() == 0; });
  bench.expect_no_violation();
}
GST_END_TEST

static Suite *cudacampool_stop_suite() {
  auto *suite = suite_create("cudacampool-stop");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_stop_returns_while_a_reader_still_reads);
  tcase_add_test(tests, after_a_stop_only_held_frames_keep_memory);
  return suite;
}

CHECK_MAIN_UNLESS(cudacampool_stop, !SimulatedDriver() || !gst_cuda_load_library()
                                        ? "streams are held on the simulated driver only"
                                        : "")
