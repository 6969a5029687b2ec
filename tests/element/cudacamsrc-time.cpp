// SPDX-License-Identifier: LGPL-2.1-or-later
/// Running time against the pipeline's clock, wherever the camera's own time starts.
#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "camera-bench.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::adopt;
using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

/// How far each frame is behind the clock when it leaves the element.
class Lateness {
 public:
  explicit Lateness(CameraBench &bench) : camera_(bench.camera()) {
    const auto pad = adopt(gst_element_get_static_pad(camera_, "src"));
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, on_buffer, this, nullptr);
  }
  /// Of the frames since the last call.
  std::vector<GstClockTimeDiff> take() {
    std::lock_guard lock(mutex_);
    return std::exchange(all_, {});
  }

 private:
  static GstPadProbeReturn on_buffer(GstPad *, GstPadProbeInfo *info, gpointer data) {
    auto *self = static_cast<Lateness *>(data);
    const auto now = gst_element_get_current_running_time(self->camera_);
    const auto due = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));
    std::lock_guard lock(self->mutex_);
    self->all_.push_back(GST_CLOCK_DIFF(due, now));
    return GST_PAD_PROBE_OK;
  }

  GstElement *const camera_;
  std::mutex mutex_;  // guards all_; a leaf
  std::vector<GstClockTimeDiff> all_;
};

/// No frame is ahead of the clock; the promptest is behind by the latency and what a busy machine
/// adds to it.
void check(const std::vector<GstClockTimeDiff> &lateness, GstClockTime latency) {
  fail_unless(!lateness.empty());
  const auto [least, most] = std::minmax_element(lateness.begin(), lateness.end());
  fail_unless(*least >= -100 * GstClockTimeDiff(GST_MSECOND), "ahead by %" GST_STIME_FORMAT,
              GST_STIME_ARGS(-*least));
  fail_unless(*least <= GstClockTimeDiff(latency + GST_SECOND), "behind by %" GST_STIME_FORMAT,
              GST_STIME_ARGS(*least));
}

}  // namespace

/// Each connection's RTP time starts elsewhere: low, just before it wraps, where the last one
/// began.
GST_START_TEST(follows_the_clock_wherever_rtp_time_starts) {
  TestCameraOptions options;  // no load that would make the frames late
  options.width = 256;
  options.height = 96;
  TestCamera camera(options);
  CameraBench bench(at(camera) + "latency=100");
  Lateness lateness(bench);
  guint64 connection = 0;
  for (const uint32_t start : {0u, 0xffffffffu - 45000u, 0x7fffffffu, 0x80000000u, 90000u, 0u}) {
    camera.set_rtp_start(start);
    connection ? camera.close_connections() : bench.play();
    bench.wait_connection(++connection);
    bench.wait_frames(30);  // over the wrap, half a second on
    check(lateness.take(), 100 * GST_MSECOND);
  }
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_uint64(bench.checker.bad(), 0);
  GstClockTime last = 0;
  for (const auto &output : bench.outputs) {
    if (output.kind != cudacam::test::Output::frame) continue;
    fail_unless(output.time > last);
    last = output.time;
  }
}
GST_END_TEST

static Suite *cudacamsrc_time_suite() {
  auto *suite = suite_create("cudacamsrc-time");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, follows_the_clock_wherever_rtp_time_starts);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_time)
