// SPDX-License-Identifier: LGPL-2.1-or-later
/// A pipeline whose source is restarted (reconnect-mode=state), under observation.
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/ptr.hpp"

namespace cudacam::test {

/// A pipeline that ends in `cudacamsink name=sink reconnect-mode=state`, and an application that
/// asks for a reconnect at each error of the bus.
class RestartBench {
 public:
  explicit RestartBench(const std::string &launch, const char *mode = "state");
  ~RestartBench();
  RestartBench(const RestartBench &) = delete;
  RestartBench &operator=(const RestartBench &) = delete;

  ObjectPtr<GstElement> get(const char *name) {
    return adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
  }
  GstElement *sink() const { return sink_.get(); }
  GstElement *pipeline() const { return pipeline_.get(); }
  void play() { gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING); }
  void stop();
  bool reconnect();
  void reconnect_on_errors();

  /// Waits end at a deadline far above what they need, and then fail the test.
  void wait(const char *what, const std::function<bool(const RestartBench &)> &condition);
  void wait_connection(guint64 connection);
  void wait_eos(unsigned times);

  guint64 count(guint64 RestartBench::*what) const;

  // For conditions, which are called with the lock held, and for use after stop().
  std::vector<std::string> events;
  guint64 frames = 0, connections = 0, errors = 0, eos = 0;
  guint64 playing_left = 0;       // by the pipeline, before it is stopped
  GstClockTime running_time = 0;  // of the last frame
  bool went_back = false;

 private:
  void on_frame(GstElement *sink);
  void on_message(GstMessage *message);
  void note(const std::string &event);

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
  VideoFile();
  ~VideoFile();
  VideoFile(const VideoFile &) = delete;
  VideoFile &operator=(const VideoFile &) = delete;
  const std::string &path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace cudacam::test
