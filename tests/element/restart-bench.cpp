// SPDX-License-Identifier: LGPL-2.1-or-later
#include "restart-bench.hpp"

#include <glib/gstdio.h>
#include <gst/base/gstbasesink.h>

#include <chrono>

#include "gstcudacam.h"

// Last: its macros (fail) are words of the standard library.
#include "upstream-criticals.hpp"

namespace cudacam::test {
namespace {

constexpr auto kHang = std::chrono::minutes(2);

struct LeaseUnref {
  void operator()(GstCudaCamLease *lease) const { gst_cuda_cam_lease_unref(lease); }
};

}  // namespace

RestartBench::RestartBench(const std::string &launch, const char *mode) {
  expect_upstream_criticals();
  GError *error = nullptr;
  const auto text = launch + " ! cudacamsink name=sink reconnect-mode=" + mode;
  pipeline_ = cudacam::sink(gst_parse_launch(text.c_str(), &error));
  fail_unless(!error, "%s", error ? error->message : "");
  sink_ = get("sink");
  g_signal_connect(sink_.get(), "new-frame",
                   G_CALLBACK(+[](GstElement *sink, RestartBench *self) { self->on_frame(sink); }),
                   this);
  g_signal_connect(
      sink_.get(), "camera-lost",
      G_CALLBACK(+[](GstElement *, const char *camera, const char *why, RestartBench *self) {
        self->note(std::string("lost ") + camera + ": " + why);
      }),
      this);
  g_signal_connect(
      sink_.get(), "camera-back",
      G_CALLBACK(+[](GstElement *, const char *camera, guint64 connection, RestartBench *self) {
        self->note(std::string("back ") + camera + " " + std::to_string(connection));
      }),
      this);
  const auto bus = cudacam::adopt(gst_element_get_bus(pipeline_.get()));
  gst_bus_set_sync_handler(
      bus.get(),
      [](GstBus *, GstMessage *message, gpointer self) {
        static_cast<RestartBench *>(self)->on_message(message);
        return GST_BUS_PASS;
      },
      this, nullptr);
}

RestartBench::~RestartBench() {
  stop();
  const auto bus = cudacam::adopt(gst_element_get_bus(pipeline_.get()));
  gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
}

void RestartBench::stop() {
  fail_unless_equals_int(gst_element_set_state(pipeline_.get(), GST_STATE_NULL),
                         GST_STATE_CHANGE_SUCCESS);
}

bool RestartBench::reconnect() {
  gboolean taken = FALSE;
  g_signal_emit_by_name(sink_.get(), "reconnect", &taken);
  return taken;
}

void RestartBench::reconnect_on_errors() {
  std::lock_guard lock(mutex_);
  reconnects_on_errors_ = true;
}

void RestartBench::wait(const char *what,
                        const std::function<bool(const RestartBench &)> &condition) {
  std::unique_lock lock(mutex_);
  const bool came = changed_.wait_for(lock, kHang, [&] { return condition(*this); });
  fail_unless(came, "never: %s", what);
}

void RestartBench::wait_connection(guint64 connection) {
  wait("connection", [=](const auto &it) { return it.connections >= connection; });
  const auto seen = count(&RestartBench::frames);
  wait("frames", [=](const auto &it) { return it.frames >= seen + 3; });
}

void RestartBench::wait_eos(unsigned times) {
  wait("EOS", [=](const auto &it) { return it.eos >= times; });
}

guint64 RestartBench::count(guint64 RestartBench::*what) const {
  std::lock_guard lock(mutex_);
  return this->*what;
}

void RestartBench::on_frame(GstElement *sink) {
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

void RestartBench::on_message(GstMessage *message) {
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

void RestartBench::note(const std::string &event) {
  std::lock_guard lock(mutex_);
  events.push_back(event);
  connections += event.compare(0, 4, "back") == 0;
  changed_.notify_all();
}

VideoFile::VideoFile() {
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

VideoFile::~VideoFile() {
  g_unlink(path_.c_str());
}

}  // namespace cudacam::test
