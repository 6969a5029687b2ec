// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacampool does, without the GObject around it.
#pragma once

#include <gst/video/video.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/ptr.hpp"
#include "pool/backend.hpp"
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
  };

  /// `element` is borrowed and outlives this; messages and log lines are its.
  explicit SlotFilter(GstElement *element) : element_(element), cuda_(element) {}

  /// READY->PAUSED. Throws ElementError for settings that cannot work.
  void start();
  void stop();

  /// Frames of these caps come: makes slots for them unless the current ones fit. Throws
  /// ElementError.
  void set_caps(GstCaps *caps) { store_for(caps); }
  /// Offers slots for frames of the query's caps. Throws ElementError.
  bool propose_allocation(GstQuery *query);
  /// Takes note of what downstream answered.
  void decide_allocation(GstQuery *query);
  /// Takes note of what cudacamsrc says of its camera.
  void observe(GstEvent *event);
  /// The frame in a slot, with its meta; null when it had to be dropped. Throws on errors of the
  /// GPU.
  BufferPtr process(BufferPtr frame);

  void set_context(GstContext *context) { cuda_.set_context(context, settings().device); }
  bool answer(GstQuery *query) { return cuda_.answer(query); }

  /// Adds the slots of all generations that are not free.
  void answer_outstanding(GstQuery *query) const;
  GstStructure *statistics() const;
  Settings settings() const;
  void set_settings(const Settings &settings);

 private:
  /// What is true while the element runs; written by the streaming thread.
  struct State {
    std::shared_ptr<Backend> backend;
    std::shared_ptr<Store> store;
    std::vector<std::weak_ptr<Store>> earlier;  // generations that may still be read
    bool cuda = false;                          // what `backend` is for
    GstVideoInfo info;                          // of the frames that flow now
    guint64 generation = 0;
    std::string camera;  // of the source upstream; empty when it does not say
    guint64 connection = 0;
    guint64 frames = 0;
    guint64 copied = 0;
    guint64 waited = 0;
    guint64 dropped = 0;
    bool readers_know_fences = false;
    bool dropping = false;
  };

  std::shared_ptr<Store> store_for(GstCaps *caps);
  BufferPtr into_slot(GstBuffer *frame);
  void count_drop(guint64 sequence);
  std::string camera_locked() const;

  GstElement *const element_;
  CudaSide cuda_;
  mutable std::mutex lock_;  // guards the two below; never held while calling out
  Settings settings_;
  State state_;
};

}  // namespace cudacam
