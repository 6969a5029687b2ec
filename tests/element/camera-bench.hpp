// SPDX-License-Identifier: LGPL-2.1-or-later
/// `cudacamsrc ! fakesink` under observation: everything that leaves the element's pad, everything
/// on the bus and, if wished, everything in the debug log.
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/ptr.hpp"
#include "frame-checker.hpp"
#include "test-camera.hpp"

namespace cudacam::test {

/// One thing that came out of the src pad, in order.
struct Output {
  enum Kind { frame, event } kind;
  // A frame:
  FrameVerdict verdict;
  std::optional<uint32_t> number = {};
  GstClockTime time = GST_CLOCK_TIME_NONE;
  bool discont = false;
  bool reference_time = false;
  int width = 0;
  // An event:
  GstEventType type = GST_EVENT_UNKNOWN;
  std::string name = {};  ///< of its structure, for custom events
  bool streaming = false;
  guint64 connection = 0;
};

/// The option that names it, with room for more.
inline std::string at(const TestCamera &camera) {
  return "location=" + camera.url() + " ";
}

class CameraBench {
 public:
  /// `options`: properties of the cudacamsrc in gst-launch syntax; `downstream`: what follows it.
  /// Retries are fast, and no timer fires that `options` does not set: see kPatience.
  explicit CameraBench(const std::string &options,
                       const std::string &downstream = "fakesink name=sink sync=false");
  ~CameraBench();
  CameraBench(const CameraBench &) = delete;
  CameraBench &operator=(const CameraBench &) = delete;

  void play() { set_state(GST_STATE_PLAYING); }
  GstStateChangeReturn set_state(GstState state);
  GstElement *camera() const { return camera_.get(); }
  GstElement *pipeline() const { return pipeline_.get(); }

  /// Waits end at a deadline far above what they need, and then fail the test.
  void wait(const char *what, const std::function<bool(const CameraBench &)> &condition);
  void wait_frames(unsigned more);
  void wait_status(const std::string &status);
  /// A status message with this status and reason, after those waited for before.
  void wait_status(const std::string &status, const std::string &reason);
  void wait_connection(guint64 connection);  ///< until it has delivered a frame
  void wait_warning(const std::string &reason);

  /// What came out and what was said so far; counts and the checker stay. For long tests.
  void forget();

  // For conditions (lock held), and for use after the pipeline stopped:
  std::vector<Output> outputs;
  FrameChecker checker;
  std::vector<std::string> statuses;  ///< "status reason"
  std::vector<std::string> warnings;  ///< reason nicks
  std::vector<std::string> warning_texts;
  std::vector<std::string> errors;
  std::string everything;  ///< all messages as text
  /// Losses and gaps: those of the camera, not those at a stop.
  guint64 frames = 0, connections = 0, losses = 0, gaps = 0, eos = 0, flushes = 0, segments = 0,
          stream_starts = 0;

  template <class T>
  T statistic(const char *field) const;
  ObjectPtr<GstElement> decoder() const;

 private:
  static GstPadProbeReturn output_probe(GstPad *, GstPadProbeInfo *info, gpointer self);
  static GstBusSyncReply on_message(GstBus *, GstMessage *message, gpointer self);
  void record(GstPad *pad, GstBuffer *buffer);
  void record(GstEvent *event);

  mutable std::mutex mutex_;  // guards the public members; a leaf
  std::condition_variable changed_;
  std::size_t statuses_seen_ = 0;
  bool stopping_ = false;                      // what was told last is the element's stop
  guint32 camera_event_ = GST_SEQNUM_INVALID;  // sequence number of the last one
  ObjectPtr<GstElement> pipeline_;
  ObjectPtr<GstElement> camera_;
};

/// Collects the debug log of the elements under test, at level LOG, and nothing of others.
class DebugLog {
 public:
  DebugLog();
  ~DebugLog();
  std::string text() const;

 private:
  static void on_log(GstDebugCategory *category, GstDebugLevel, const char *, const char *, int,
                     GObject *, GstDebugMessage *message, gpointer self);
  mutable std::mutex mutex_;  // guards text_; a leaf
  std::string text_;
};

unsigned count_entries(const char *folder);  ///< of /proc/self/task or /proc/self/fd

}  // namespace cudacam::test
