// SPDX-License-Identifier: LGPL-2.1-or-later
/// Many cameras at once.
#include <algorithm>
#include <memory>
#include <vector>

#include "camera-bench.hpp"
#include "scale.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::count_entries;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

/// They also make their decoders at the same time, the first of the process.
GST_START_TEST(sixty_cameras_die_and_return_together) {
  TestCameraOptions options;
  options.width = 256;
  options.height = 96;
  options.fps = 5;
  TestCamera camera(options);
  std::vector<std::unique_ptr<CameraBench>> benches;
  constexpr unsigned many = 60;
  for (unsigned i = 0; i < many; i++) {
    benches.push_back(std::make_unique<CameraBench>(at(camera) + "latency=50"));
    benches.back()->play();
  }
  unsigned threads = 0, files = 0;
  for (guint64 round = 1; round <= 6; round++) {
    for (auto &bench : benches) bench->wait_connection(round);
    // The camera is in this process: what it keeps of old clients is not ours.
    benches[0]->wait("their clients", [&](const auto &) { return camera.clients() == many; });
    if (round <= 3) {
      threads = std::max(threads, count_entries("/proc/self/task"));
      files = std::max(files, count_entries("/proc/self/fd"));
    }
    if (round == 6) break;
    camera.stop();
    for (auto &bench : benches)
      bench->wait("a loss", [&](const auto &it) { return it.losses >= round; });
    camera.start();
  }
  benches[0]->wait("threads gone",
                   [&](const auto &) { return count_entries("/proc/self/task") <= threads; });
  benches[0]->wait("files gone",
                   [&](const auto &) { return count_entries("/proc/self/fd") <= files; });
  for (auto &bench : benches) {
    const auto statistics = bench->statistic<std::string>(nullptr);
    fail_unless(bench->statistic<guint64>("decoders") == 1, "%s", statistics.c_str());
    fail_unless(bench->statistic<guint64>("outages") == 5, "%s", statistics.c_str());
    bench->set_state(GST_STATE_NULL);
    fail_unless_equals_uint64(bench->checker.bad(), 0);
    fail_unless_equals_uint64(bench->segments, 1);
    fail_unless(bench->errors.empty());
  }
}
GST_END_TEST

/// Cameras that are not there: each has its own thread, that of an attempt and that of its end.
GST_START_TEST(dead_cameras_cost_three_threads_each_at_most) {
  TestCamera camera;
  camera.stop();
  const unsigned many = cudacam::test::scale("CUDACAM_TEST_DEAD_CAMERAS", 40);
  // GLib keeps threads of its pools, and GStreamer's clock and bus have theirs.
  constexpr unsigned others = 16;
  const auto before = count_entries("/proc/self/task");
  const auto most = before + 3 * many + others;
  std::vector<std::unique_ptr<CameraBench>> benches;
  for (unsigned i = 0; i < many; i++) {
    benches.push_back(std::make_unique<CameraBench>(at(camera)));
    benches.back()->play();
  }
  for (guint64 attempts = 2; attempts <= 6; attempts++) {
    for (auto &bench : benches)
      bench->wait("attempts", [&](const auto &it) {
        return it.template statistic<guint64>("attempts") >= attempts;
      });
    fail_unless(count_entries("/proc/self/task") >= before + many);  // the count counts
    // Threads that have ended are still in the count until the kernel comes to them.
    benches[0]->wait("few threads",
                     [&](const auto &) { return count_entries("/proc/self/task") <= most; });
  }
  for (auto &bench : benches)
    bench->wait("none quarantined",
                [](const auto &it) { return it.template statistic<guint64>("quarantined") == 0; });
}
GST_END_TEST

static Suite *cudacamsrc_crowd_suite() {
  auto *suite = suite_create("cudacamsrc-crowd");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests,
                    400);  // NVIDIA's driver ends decoders one by one, a quarter of a second each
  tcase_add_test(tests, sixty_cameras_die_and_return_together);
  tcase_add_test(tests, dead_cameras_cost_three_threads_each_at_most);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_crowd)
