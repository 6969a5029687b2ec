// SPDX-License-Identifier: LGPL-2.1-or-later
/// State changes of the pipeline at each point of the reconnect cycle, from another thread: each of
/// them ends, the camera comes back with frames, and nothing of a connection is left.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "camera-bench.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::CameraRequest;
using cudacam::test::count_entries;
using cudacam::test::Output;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

/// Every connection that was ever made, without keeping it.
class ConnectionWatch {
 public:
  explicit ConnectionWatch(CameraBench &bench) {
    g_signal_connect(bench.pipeline(), "deep-element-added", G_CALLBACK(on_element), this);
  }
  ~ConnectionWatch() {
    for (auto &ref : seen_) g_weak_ref_clear(&ref);
  }
  unsigned alive() {
    std::lock_guard lock(mutex_);
    unsigned count = 0;
    for (auto &ref : seen_) {
      const auto object = cudacam::adopt(static_cast<GObject *>(g_weak_ref_get(&ref)));
      count += object != nullptr;
    }
    return count;
  }
  std::size_t seen() {
    std::lock_guard lock(mutex_);
    return seen_.size();
  }

 private:
  static void on_element(GstBin *, GstBin *, GstElement *element, ConnectionWatch *self) {
    if (std::string(GST_OBJECT_NAME(element)).compare(0, 11, "connection-") != 0) return;
    std::lock_guard lock(self->mutex_);
    self->seen_.emplace_back();
    g_weak_ref_init(&self->seen_.back(), element);
  }

  std::mutex mutex_;  // guards what follows; a leaf
  std::list<GWeakRef> seen_;
};

/// Brings a camera that is not PLAYING to a point of the cycle, where it stays until it is healed.
struct Point {
  const char *name;
  std::function<void()> reach;
  std::function<void()> heal;
};

void set_retry_delay(CameraBench &bench, GstClockTime delay) {
  g_object_set(bench.camera(), "retry-min-delay", delay, "retry-max-delay", delay, nullptr);
}

std::vector<Point> points(CameraBench &bench, TestCamera &camera) {
  const auto unfreeze = [&camera] { camera.unfreeze(); };
  const auto stream = [&bench] {
    bench.play();
    bench.wait_status("streaming");
    bench.wait_frames(2);
  };
  const auto answered = [&](const char *name, CameraRequest last) {
    return Point{name,
                 [&, last] {
                   camera.freeze_after(last);
                   bench.play();
                   bench.wait("the request", [&](const auto &) { return camera.is_frozen(); });
                 },
                 unfreeze};
  };
  return {
      {"connecting, OPTIONS",
       [&] {
         camera.freeze();
         bench.play();
         bench.wait_status("connecting");
       },
       unfreeze},
      answered("connecting, DESCRIBE", CameraRequest::kOptions),
      answered("connecting, SETUP", CameraRequest::kDescribe),
      answered("connecting, PLAY", CameraRequest::kSetup),
      answered("connecting, silent after PLAY", CameraRequest::kPlay),
      {"waiting for the first frame",
       [&] {
         camera.set_first_keyframe_delay(std::chrono::hours(1));
         bench.play();
         bench.wait_status("waiting-first-frame");
       },
       [&] {
         camera.set_first_keyframe_delay(std::chrono::milliseconds(0));
         camera.close_connections();
       }},
      {"streaming", stream, [] {}},
      {"closing",
       [&bench, &camera, stream] {
         stream();
         camera.freeze();
         g_signal_emit_by_name(bench.camera(), "reconnect");
         bench.wait_status("closing");
       },
       unfreeze},
      {"backoff",
       [&] {
         set_retry_delay(bench, 50 * GST_SECOND);
         camera.stop();
         bench.play();
         bench.wait_status("backoff");
         set_retry_delay(bench, 20 * GST_MSECOND);
       },
       [&] { camera.start(); }},
  };
}

/// On a thread of its own, as applications do it; that it ends is waited for.
void change_states(CameraBench &bench, const std::string &what,
                   std::initializer_list<GstState> states) {
  std::atomic<bool> done{false};
  std::thread thread([&] {
    for (const auto state : states) {
      const auto result = bench.set_state(state);
      fail_unless(result != GST_STATE_CHANGE_FAILURE, "%s", what.c_str());
    }
    done = true;
  });
  bench.wait((what + ": the end of the state change").c_str(),
             [&](const auto &) { return done.load(); });
  thread.join();
}

void check_each_point(GstState target) {
  TestCameraOptions options;
  options.width = 320;
  options.height = 192;
  options.gop = 5;
  TestCamera camera(options);
  CameraBench bench(at(camera) + "latency=20 teardown-timeout=200000000");
  ConnectionWatch connections(bench);
  const auto settle = [&] {
    bench.set_state(GST_STATE_NULL);
    bench.wait("no clients", [&](const auto &) { return camera.clients() == 0; });
    bench.wait("no connection left", [&](const auto &) { return connections.alive() == 0; });
  };
  bench.play();
  bench.wait_frames(2);
  settle();
  unsigned threads = 0, files = 0;
  for (const bool at_once : {false, true}) {
    for (const auto &point : points(bench, camera)) {
      const auto what = std::string(point.name) + " -> " + gst_element_state_get_name(target);
      bench.set_state(target);
      point.reach();
      guint64 before = 0;
      bench.wait("a look back", [&](const auto &it) {
        before = it.connections;
        return true;
      });
      if (at_once) {
        change_states(bench, what, {target, GST_STATE_PLAYING});
        point.heal();
      } else {
        change_states(bench, what, {target});
        point.heal();
        change_states(bench, what, {GST_STATE_PLAYING});
      }
      bench.wait((what + ": the return").c_str(), [&](const auto &it) {
        return it.connections > before && it.outputs.back().kind == Output::frame;
      });
      // What a first time costs, of the camera as well, it costs once.
      if (!at_once) {
        threads = std::max(threads, count_entries("/proc/self/task"));
        files = std::max(files, count_entries("/proc/self/fd"));
      }
    }
  }
  bench.wait("threads gone",
             [&](const auto &) { return count_entries("/proc/self/task") <= threads; });
  bench.wait("files gone", [&](const auto &) { return count_entries("/proc/self/fd") <= files; });
  bench.wait("one connection", [&](const auto &) { return connections.alive() == 1; });
  fail_unless_equals_uint64(bench.statistic<guint64>("quarantined"), 0);
  fail_unless(connections.seen() > 2 * points(bench, camera).size());
  settle();
  fail_unless_equals_uint64(bench.eos, 0);
  // PAUSED keeps the stream, a stop ends it. The camera may serve the next one by a media that it
  // had prepared for a client cut in its handshake, whose first frame is from then.
  const auto &checker = bench.checker;
  const auto bad = target == GST_STATE_PAUSED ? checker.bad() : checker.bad() - checker.stale();
  fail_unless(bad == 0, "%s", bad ? checker.explanations()[0].c_str() : "");
  fail_unless(bench.errors.empty(), "%s", bench.errors.empty() ? "" : bench.errors[0].c_str());
}

}  // namespace

GST_START_TEST(paused_at_each_point) {
  check_each_point(GST_STATE_PAUSED);
}
GST_END_TEST

GST_START_TEST(ready_at_each_point) {
  check_each_point(GST_STATE_READY);
}
GST_END_TEST

GST_START_TEST(null_at_each_point) {
  check_each_point(GST_STATE_NULL);
}
GST_END_TEST

static Suite *cudacamsrc_cycle_suite() {
  auto *suite = suite_create("cudacamsrc-cycle");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, paused_at_each_point);
  tcase_add_test(tests, ready_at_each_point);
  tcase_add_test(tests, null_at_each_point);
  return suite;
}
GST_CHECK_MAIN(cudacamsrc_cycle)
