// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacampool does, without the GObject around it.
#pragma once

#include <gst/video/video.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/ptr.hpp"
#include "pool/backend.hpp"
#include "pool/generations.hpp"
#include "pool/store.hpp"

namespace cudacam {

/// Settings and statistics from any thread; the rest on the streaming thread or in state changes.
class SlotFilter {
 public:
  static constexpr guint kFewestSlots = 2;  // one to write, one to read
  static constexpr guint kMostSlots = 64;

  /// Which frames leave whose pixels the GPU has still to write.
  enum class SyncMode {
    kAuto,  ///< those for readers who wait for them
    kGpu,   ///< all
    kCpu,   ///< none
  };

  struct Settings {  // the user's wish; the only home of the defaults
    guint slots = 4;
    std::string camera_name;
    gint device = -1;
    SyncMode sync_mode = SyncMode::kAuto;
    guint64 min_reuse_delay = 0;  // nanoseconds
    guint64 vram_budget = 0;      // bytes; 0: no limit
  };

  /// `element` is borrowed and outlives this; messages and log lines are its.
  explicit SlotFilter(GstElement *element) : element_(element), cuda_(element) {}

  /// READY->PAUSED. Throws ElementError for settings that cannot work.
  void start();
  void stop();

  /// Frames of these caps come: makes slots for them unless the current ones fit. False after an
  /// error that was reported before. Throws ElementError.
  bool set_caps(GstCaps *caps);
  /// Offers slots for frames of the query's caps. The same.
  bool propose_allocation(GstQuery *query);
  /// Takes note of what downstream answered.
  void decide_allocation(GstQuery *query);
  /// Takes note of what cudacamsrc says of its camera, and of where other streams begin.
  void observe(GstEvent *event);
  /// Whether an error was reported: no frame is taken any more.
  bool failed() const;
  /// The frame in a slot, with its meta; null when it had to be dropped. Throws ElementError.
  BufferPtr process(BufferPtr frame);

  void set_context(GstContext *context) { cuda_.set_context(context, settings().device); }
  bool answer(GstQuery *query) { return cuda_.answer(query); }

  /// Adds the slots of all generations that are not free.
  void answer_outstanding(GstQuery *query) const;
  GstStructure *statistics() const;
  Settings settings() const;
  /// `change` returns whether it changed something; it runs under a lock, so that threads that
  /// change different settings at once undo nothing of each other's.
  bool change_settings(const std::function<bool(Settings &)> &change);

 private:
  /// What is true while the element runs; written by the streaming thread.
  struct State {
    bool prepared = false;  // for frames as the next two say
    bool cuda = false;
    GstVideoInfo info{};
    std::string camera;  // of the source upstream; empty when it does not say
    guint64 connection = 0;
    bool told_by_camera = false;  // a cudacamsrc is upstream and counts; otherwise streams count
    guint32 stream = GST_SEQNUM_INVALID;
    bool stream_is_new = false;  // no frame of it came yet
    guint64 frames = 0;
    guint64 copied = 0;
    guint64 waited = 0;
    guint64 dropped = 0;
    guint64 write_errors = 0;
    bool readers_know_fences = false;
    bool dropping = false;
    bool filled = false;   // slots were asked for, with whatever success
    bool lacking = false;  // of memory, and it was said
    bool failed = false;
  };

  template <class Body>
  auto reporting(Body &&body) -> decltype(body());
  void prepare(GstCaps *caps);
  void fill(bool offered);
  BufferPtr in_slot(BufferPtr frame);
  void lose_slot(GstBuffer *slot, const std::string &why);
  void warn(gint code, const std::string &text);
  void count_drop(guint64 sequence);
  std::string camera() const;
  std::string camera_locked() const;

  GstElement *const element_;
  CudaSide cuda_;
  Generations generations_;
  mutable std::mutex lock_;  // guards the two below; never held while calling out
  Settings settings_;
  State state_;
};

}  // namespace cudacam
