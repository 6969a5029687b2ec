// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a sink knows of the camera whose frames it gets: what cudacamsrc says of it, or else where
/// the stream of another source begins and ends. Emits `camera-lost` and `camera-back`.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <mutex>
#include <string>

namespace cudacam {

/// All functions may be called from any thread; signals are emitted on the thread that calls.
class CameraView {
 public:
  /// `sink` is borrowed and outlives this; the signals are its.
  explicit CameraView(GstElement *sink) : sink_(sink) {}

  /// Nothing is known yet.
  void start();
  /// Each event from upstream. `restarts`: the ends of any stream count, not only what cudacamsrc
  /// says.
  void see(GstEvent *event, bool restarts);
  /// The name of a source that does not tell its camera's.
  void set_source(const std::string &name);
  /// A frame of a source that does not tell when it delivers. `connection`: what is in its meta, or
  /// 0.
  void frame_came(guint64 connection);
  /// Sets `camera`, `connection` and `streaming`.
  void describe(GstStructure *fields) const;

 private:
  bool told_by_camera(GstEvent *event);
  void lost(const char *reason);

  GstElement *const sink_;
  // Whether a frame says nothing new: cudacamsrc tells, or the stream is known to flow.
  std::atomic<bool> settled_{false};

  mutable std::mutex lock_;  // guards all below; never held while calling out
  std::string camera_;
  guint64 connection_ = 0;
  bool streaming_ = false;
  bool told_by_camera_ = false;  // a cudacamsrc is upstream
  guint32 stream_ = GST_SEQNUM_INVALID;
};

}  // namespace cudacam
