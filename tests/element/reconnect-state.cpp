// SPDX-License-Identifier: LGPL-2.1-or-later
/// reconnect-mode=state: cameras that are no cudacamsrc come back as well.
#include <glib/gstdio.h>
#include <gst/base/gstbasesink.h>
#include <gst/check/gstcheck.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/ptr.hpp"
#include "gstcudacam.h"
#include "mjpeg-server.hpp"
#include "rtspsrc-critical.hpp"
#include "support/statistics.hpp"
#include "test-camera.hpp"

using cudacam::MessagePtr;
using cudacam::ObjectPtr;
using cudacam::test::expect_rtspsrc_critical;
using cudacam::test::MjpegServer;
using cudacam::test::number;
using cudacam::test::TestCamera;

namespace {

constexpr auto kHang = std::chrono::minutes(2);

/// A pipeline that ends in `cudacamsink name=sink reconnect-mode=state`, and an application that
/// asks for a reconnect at each error of the bus.
class Bench {
 public:
  explicit Bench(const std::string &launch, const char *mode = "state") {
    expect_rtspsrc_critical();
    GError *error = nullptr;
    const auto text = launch + " ! cudacamsink name=sink reconnect-mode=" + mode;
    pipeline_ = cudacam::sink(gst_parse_launch(text.c_str(), &error));
    fail_unless(!error, "%s", error ? error->message : "");
    sink_ = get("sink");
    g_signal_connect(sink_.get(), "new-frame",
                     G_CALLBACK(+[](GstElement *sink, Bench *self) { self->on_frame(sink); }),
                     this);
    g_signal_connect(
        sink_.get(), "camera-lost",
        G_CALLBACK(+[](GstElement *, const char *camera, const char *why, Bench *self) {
          self->note(std::string("lost ") + camera + ": " + why);
        }),
        this);
    g_signal_connect(
        sink_.get(), "camera-back",
        G_CALLBACK(+[](GstElement *, const char *camera, guint64 connection, Bench *self) {
          self->note(std::string("back ") + camera + " " + std::to_string(connection));
        }),
        this);
    const auto bus = cudacam::adopt(gst_element_get_bus(pipeline_.get()));
    gst_bus_set_sync_handler(
        bus.get(),
        [](GstBus *, GstMessage *message, gpointer self) {
          static_cast<Bench *>(self)->on_message(message);
          return GST_BUS_PASS;
        },
        this, nullptr);
  }
  ~Bench() {
    stop();
    const auto bus = cudacam::adopt(gst_element_get_bus(pipeline_.get()));
    gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
  }
  Bench(const Bench &) = delete;
  Bench &operator=(const Bench &) = delete;

  ObjectPtr<GstElement> get(const char *name) {
    return cudacam::adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
  }
  GstElement *sink() const { return sink_.get(); }
  GstElement *pipeline() const { return pipeline_.get(); }
  void play() { gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING); }
  void stop() {
    fail_unless_equals_int(gst_element_set_state(pipeline_.get(), GST_STATE_NULL),
                           GST_STATE_CHANGE_SUCCESS);
  }
  bool reconnect() {
    gboolean taken = FALSE;
    g_signal_emit_by_name(sink_.get(), "reconnect", &taken);
    return taken;
  }
  void reconnect_on_errors() {
    std::lock_guard lock(mutex_);
    reconnects_on_errors_ = true;
  }

  void wait(const char *what, const std::function<bool(const Bench &)> &condition) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, kHang, [&] { return condition(*this); });
    fail_unless(came, "never: %s", what);
  }
  void wait_connection(guint64 connection) {
    wait("connection", [=](const auto &it) { return it.connections >= connection; });
    const auto seen = count(&Bench::frames);
    wait("frames", [=](const auto &it) { return it.frames >= seen + 3; });
  }
  void wait_eos(unsigned times) {
    wait("EOS", [=](const auto &it) { return it.eos >= times; });
  }

  guint64 count(guint64 Bench::*what) const {
    std::lock_guard lock(mutex_);
    return this->*what;
  }

  // For conditions, which are called with the lock held, and for use after stop().
  std::vector<std::string> events;
  guint64 frames = 0, connections = 0, errors = 0, eos = 0;
  guint64 playing_left = 0;       // by the pipeline, before it is stopped
  GstClockTime running_time = 0;  // of the last frame
  bool went_back = false;

 private:
  void on_frame(GstElement *sink) {
    // The frame is the one that the sink renders now; its sample's segment is what the sink sees.
    const auto *segment = &GST_BASE_SINK(sink)->segment;
    const LeaseUnref unref;
    auto *lease = gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink), "test", 0, nullptr);
    std::lock_guard lock(mutex_);
    ++frames;
    if (lease) {
      const auto pts = GST_BUFFER_PTS(gst_cuda_cam_lease_get_buffer(lease));
      if (GST_CLOCK_TIME_IS_VALID(pts)) {
        const auto now = gst_segment_to_running_time(segment, GST_FORMAT_TIME, pts);
        went_back = went_back || now < running_time;
        running_time = now;
      }
      unref(lease);
    }
    changed_.notify_all();
  }
  void on_message(GstMessage *message) {
    bool ask = false;
    {
      std::lock_guard lock(mutex_);
      if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        ++errors;
        ask = reconnects_on_errors_;
      }
      if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) ++eos;
      if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_STATE_CHANGED &&
          GST_MESSAGE_SRC(message) == GST_OBJECT(pipeline_.get())) {
        GstState state = GST_STATE_NULL;
        gst_message_parse_state_changed(message, nullptr, &state, nullptr);
        if (state == GST_STATE_PLAYING)
          played_ = true;
        else
          playing_left += played_;
      }
      changed_.notify_all();
    }
    if (ask) reconnect();
  }
  void note(const std::string &event) {
    std::lock_guard lock(mutex_);
    events.push_back(event);
    connections += event.compare(0, 4, "back") == 0;
    changed_.notify_all();
  }

  struct LeaseUnref {
    void operator()(GstCudaCamLease *lease) const { gst_cuda_cam_lease_unref(lease); }
  };

  mutable std::mutex mutex_;  // guards the public members; a leaf
  std::condition_variable changed_;
  bool reconnects_on_errors_ = false;
  bool played_ = false;
  ObjectPtr<GstElement> pipeline_;
  ObjectPtr<GstElement> sink_;
};

/// A file of 15 frames at 30 Hz, gone with this.
class VideoFile {
 public:
  VideoFile() {
    gchar *name = nullptr;
    const int file = g_file_open_tmp("cudacam-XXXXXX.mkv", &name, nullptr);
    fail_unless(file >= 0);
    g_close(file, nullptr);
    path_ = name;
    g_free(name);
    const auto launch =
        "videotestsrc num-buffers=15 ! video/x-raw,width=64,height=48,framerate=30/1 ! jpegenc ! "
        "matroskamux ! filesink location=" +
        path_;
    const auto pipeline = cudacam::sink(gst_parse_launch(launch.c_str(), nullptr));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    const auto bus = cudacam::adopt(gst_element_get_bus(pipeline.get()));
    const MessagePtr end(gst_bus_timed_pop_filtered(
        bus.get(), GST_CLOCK_TIME_NONE, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
    fail_unless(GST_MESSAGE_TYPE(end.get()) == GST_MESSAGE_EOS);
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  }
  ~VideoFile() { g_unlink(path_.c_str()); }
  VideoFile(const VideoFile &) = delete;
  VideoFile &operator=(const VideoFile &) = delete;
  const std::string &path() const { return path_; }

 private:
  std::string path_;
};

/// Reads a file three times.
void check_loop(Bench &bench) {
  bench.play();
  for (unsigned round = 1; round <= 3; ++round) {
    bench.wait_eos(round);
    if (round < 3) fail_unless(bench.reconnect());
  }
  fail_unless_equals_uint64(bench.count(&Bench::playing_left), 0);
  bench.stop();
  fail_unless_equals_uint64(bench.frames, 45);
  fail_unless_equals_uint64(bench.errors, 0);
  fail_unless(!bench.went_back);
  // 44 frames at 30 Hz before the last one.
  fail_unless(bench.running_time >= 44 * GST_SECOND / 30 - 44 * GST_MSECOND);
}

bool has(const char *element) {
  return cudacam::adopt(gst_element_factory_find(element)) != nullptr;
}

}  // namespace

GST_START_TEST(a_file_is_read_again_through_decodebin) {
  const VideoFile file;
  Bench bench("filesrc name=file location=" + file.path() + " ! decodebin ! cudacampool");
  check_loop(bench);
  const std::vector<std::string> expected{"back file 1", "lost file: end of stream",
                                          "back file 2", "lost file: end of stream",
                                          "back file 3", "lost file: end of stream"};
  fail_unless(bench.events == expected);
}
GST_END_TEST

GST_START_TEST(a_file_is_read_again_by_uridecodebin) {
  const VideoFile file;
  Bench bench("uridecodebin uri=file://" + file.path() + " ! queue ! cudacampool slots=32 ! queue");
  check_loop(bench);
}
GST_END_TEST

GST_START_TEST(a_file_is_read_again_without_a_pool_and_with_a_fixed_demuxer) {
  const VideoFile file;
  Bench bench("filesrc location=" + file.path() + " ! matroskademux ! jpegdec");
  check_loop(bench);
}
GST_END_TEST

GST_START_TEST(a_synchronising_sink_plays_each_round_at_its_pace) {
  const VideoFile file;
  Bench bench("filesrc location=" + file.path() + " ! decodebin ! cudacampool");
  g_object_set(bench.sink(), "sync", TRUE, nullptr);
  bench.play();
  bench.wait_eos(1);
  fail_unless(bench.reconnect());
  bench.wait_eos(2);
  const auto clock_time = gst_element_get_current_running_time(bench.sink());
  bench.stop();
  fail_unless(!bench.went_back);
  fail_unless(clock_time >= bench.running_time);  // no frame was shown before its time
  fail_unless(bench.running_time >= 29 * GST_SECOND / 30 - 29 * GST_MSECOND);
}
GST_END_TEST

GST_START_TEST(an_rtsp_camera_comes_back_through_rtspsrc_and_decodebin) {
  TestCamera camera;
  Bench bench("rtspsrc name=camera protocols=tcp latency=0 location=" + camera.url() +
              " ! decodebin ! cudacampool");
  bench.reconnect_on_errors();
  bench.play();
  bench.wait_connection(1);
  fail_unless(bench.reconnect());  // while it delivers
  bench.wait_connection(2);
  camera.close_connections();
  bench.wait_eos(1);
  fail_unless(bench.reconnect());
  bench.wait_connection(3);
  camera.reset_connections();  // an error
  bench.wait_connection(4);
  bench.stop();
  fail_unless(!bench.went_back);
}
GST_END_TEST

GST_START_TEST(an_rtsp_camera_comes_back_through_uridecodebin_after_an_absence) {
  TestCamera camera;
  camera.stop();
  Bench bench("uridecodebin uri=" + camera.url() + " ! cudacampool");
  bench.reconnect_on_errors();
  bench.play();
  bench.wait("errors", [](const auto &it) { return it.errors >= 3; });
  fail_unless(!bench.count(&Bench::playing_left));
  camera.start();
  bench.wait_connection(1);
  const auto before = bench.count(&Bench::errors);
  camera.stop();
  bench.wait("end or error", [=](const auto &it) { return it.eos + it.errors > before; });
  const auto errors = bench.count(&Bench::errors);
  fail_unless(bench.reconnect());
  bench.wait("errors", [=](const auto &it) { return it.errors >= errors + 2; });
  camera.start();
  bench.wait_connection(2);
  bench.stop();
  fail_unless(!bench.went_back);
}
GST_END_TEST

GST_START_TEST(an_http_camera_comes_back) {
  if (!has("souphttpsrc")) {
    g_printerr("skipped: no souphttpsrc\n");
    return;
  }
  MjpegServer camera;
  Bench bench("souphttpsrc is-live=true do-timestamp=true location=" + camera.url() +
              " ! multipartdemux ! jpegdec ! cudacampool");
  bench.reconnect_on_errors();
  bench.play();
  bench.wait_connection(1);
  camera.refuse(true);
  camera.close_connections();
  bench.wait("end or error", [](const auto &it) { return it.eos + it.errors > 0; });
  const auto errors = bench.count(&Bench::errors);
  bench.reconnect();
  bench.wait("refusal", [=](const auto &it) { return it.errors > errors; });
  camera.refuse(false);
  bench.wait_connection(2);
  bench.stop();
  fail_unless(!bench.went_back);
}
GST_END_TEST

GST_START_TEST(a_blocked_branch_does_not_block_the_restart) {
  Bench bench(
      "videotestsrc name=source is-live=true ! video/x-raw,width=16,height=16 ! tee name=t "
      "t. ! queue max-size-buffers=1 ! fakesink name=blocked async=false t. ! cudacampool");
  const auto blocked = bench.get("blocked");
  const auto pad = cudacam::adopt(gst_element_get_static_pad(blocked.get(), "sink"));
  std::atomic<bool> stuck{false};
  const auto probe = gst_pad_add_probe(
      pad.get(), GstPadProbeType(GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER),
      [](GstPad *, GstPadProbeInfo *, gpointer flag) {
        static_cast<std::atomic<bool> *>(flag)->store(true);
        return GST_PAD_PROBE_OK;
      },
      &stuck, nullptr);
  bench.play();
  bench.wait("the branch", [&](const auto &) { return stuck.load(); });
  fail_unless(bench.reconnect());
  bench.wait("restart", [](const auto &it) { return it.connections >= 2; });
  gst_pad_remove_probe(pad.get(), probe);
  bench.wait_connection(2);
}
GST_END_TEST

GST_START_TEST(links_are_left_to_an_application_that_makes_them) {
  const VideoFile file;
  Bench bench("cudacampool name=pool");
  auto *source = gst_element_factory_make("uridecodebin", nullptr);
  g_object_set(source, "uri", ("file://" + file.path()).c_str(), nullptr);
  gst_bin_add(GST_BIN(bench.pipeline()), source);
  std::atomic<int> linked{0};
  struct Application {
    ObjectPtr<GstPad> pool;
    std::atomic<int> &linked;
  } application{cudacam::adopt(gst_element_get_static_pad(bench.get("pool").get(), "sink")),
                linked};
  g_signal_connect(source, "pad-added",
                   G_CALLBACK(+[](GstElement *, GstPad *pad, Application *self) {
                     if (gst_pad_link(pad, self->pool.get()) == GST_PAD_LINK_OK) ++self->linked;
                   }),
                   &application);
  check_loop(bench);
  fail_unless_equals_int(linked, 3);
}
GST_END_TEST

GST_START_TEST(leases_outlast_a_restart) {
  const VideoFile file;
  Bench bench("filesrc location=" + file.path() + " ! decodebin ! cudacampool slots=4");
  g_object_set(bench.sink(), "drain-timeout", guint64{1}, nullptr);
  bench.play();
  bench.wait("frames", [](const auto &it) { return it.frames >= 3; });
  auto *lease = gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(bench.sink()), "keeper",
                                            10 * GST_SECOND, nullptr);
  fail_unless(lease != nullptr);
  auto *before = gst_buffer_copy_deep(gst_cuda_cam_lease_get_buffer(lease));
  bench.wait_eos(1);
  fail_unless(bench.reconnect());
  bench.wait_eos(2);
  GstMapInfo map;
  fail_unless(gst_buffer_map(before, &map, GST_MAP_READ));
  fail_unless(!gst_buffer_memcmp(gst_cuda_cam_lease_get_buffer(lease), 0, map.data, map.size));
  gst_buffer_unmap(before, &map);
  gst_buffer_unref(before);
  bench.stop();
  gst_cuda_cam_lease_unref(lease);
}
GST_END_TEST

GST_START_TEST(the_pipeline_stops_while_a_restart_is_under_way) {
  const VideoFile file;
  for (int round = 0; round < 5; ++round) {
    Bench bench("filesrc name=file location=" + file.path() +
                " ! decodebin name=decoder ! cudacampool");
    bench.play();
    bench.wait("frames", [](const auto &it) { return it.frames >= 1; });
    bench.reconnect();
    bench.stop();
    for (const char *name : {"file", "decoder"}) {
      const auto element = bench.get(name);
      GstState state = GST_STATE_PLAYING;
      gst_element_get_state(element.get(), &state, nullptr, GST_CLOCK_TIME_NONE);
      fail_unless_equals_int(state, GST_STATE_NULL);
      fail_unless(!gst_element_is_locked_state(element.get()));
    }
  }
}
GST_END_TEST

GST_START_TEST(with_off_nothing_happens_upstream) {
  const VideoFile file;
  Bench bench("filesrc location=" + file.path() + " ! decodebin ! cudacampool", "off");
  bench.play();
  bench.wait_eos(1);
  fail_unless(!bench.reconnect());
  bench.stop();
  fail_unless_equals_uint64(bench.frames, 15);
  fail_unless(bench.events.empty());
}
GST_END_TEST

GST_START_TEST(says_so_when_there_is_no_telling_the_source) {
  Bench bench(
      "videotestsrc videotestsrc is-live=true name=other ! fakesink  cudacampool name=pool");
  bench.play();
  fail_unless(bench.reconnect());  // the one that is linked to nothing
  bench.stop();
  Bench several("fakesrc name=one  fakesrc name=two  cudacampool name=pool");
  gst_element_set_state(several.sink(), GST_STATE_PLAYING);
  fail_unless(!several.reconnect());
}
GST_END_TEST

static Suite *reconnect_state_suite() {
  auto *suite = suite_create("reconnect-state");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_file_is_read_again_through_decodebin);
  tcase_add_test(tests, a_file_is_read_again_by_uridecodebin);
  tcase_add_test(tests, a_file_is_read_again_without_a_pool_and_with_a_fixed_demuxer);
  tcase_add_test(tests, a_synchronising_sink_plays_each_round_at_its_pace);
  tcase_add_test(tests, an_rtsp_camera_comes_back_through_rtspsrc_and_decodebin);
  tcase_add_test(tests, an_rtsp_camera_comes_back_through_uridecodebin_after_an_absence);
  tcase_add_test(tests, an_http_camera_comes_back);
  tcase_add_test(tests, a_blocked_branch_does_not_block_the_restart);
  tcase_add_test(tests, links_are_left_to_an_application_that_makes_them);
  tcase_add_test(tests, leases_outlast_a_restart);
  tcase_add_test(tests, the_pipeline_stops_while_a_restart_is_under_way);
  tcase_add_test(tests, with_off_nothing_happens_upstream);
  tcase_add_test(tests, says_so_when_there_is_no_telling_the_source);
  return suite;
}

GST_CHECK_MAIN(reconnect_state)
