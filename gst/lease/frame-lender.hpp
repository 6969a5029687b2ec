// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacamsink does, without the GObject around it: translates between GStreamer and the
/// ledger.
#pragma once

#include <gst/base/gstbasesink.h>
#include <gst/gst.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/patient-mutex.hpp"
#include "base/ptr.hpp"
#include "lease/camera-view.hpp"
#include "lease/lease.h"
#include "lease/ledger.hpp"
#include "lease/overdue-watch.hpp"
#include "lease/sink-properties.hpp"
#include "lease/source-restarter.hpp"
#include "lease/stream-joint.hpp"

namespace cudacam {

/// All functions may be called from any thread.
class FrameLender {
 public:
  /// `element` is borrowed and outlives this; messages and log lines are its.
  explicit FrameLender(GstElement *element) : element_(element), camera_(element) {}

  /// The pad that frames come to.
  GstPad *pad() const { return GST_BASE_SINK_PAD(element_); }

  /// From here on frames are lent.
  void start();
  /// From here on none are; waits for those that are out as long as drain-timeout says. Later they
  /// stay valid.
  void stop();
  /// No frame is coming any more.
  void streaming_ended() { early_ = nullptr; }

  void set_caps(GstCaps *caps);
  /// Takes note of what cudacamsrc says of its camera, or else of where the stream begins and ends.
  void observe(GstEvent *event);
  /// Before the element sees a frame, on the streaming thread.
  void join(GstBuffer *frame);
  GstFlowReturn publish(GstBuffer *buffer);
  /// A frame that waits in the element for PLAYING: published now, and not once more then.
  GstFlowReturn publish_early(GstBuffer *buffer);

  /// GstCudaCamLender::acquire.
  GstCudaCamLease *acquire(const gchar *holder, GstClockTime timeout, GError **error);
  /// The try-pull-sample signal; null: none came.
  GstSample *pull_sample(GstClockTime timeout);
  /// GstCudaCamLender::add_holder, remove_holder.
  gboolean add_holder(const gchar *holder, guint queue_size, GError **error);
  void remove_holder(const gchar *holder);

  /// The drain signal: the structure that it returns.
  GstStructure *drain(GstClockTime timeout);
  /// The reconnect signal.
  gboolean reconnect();
  /// The revoke signal; all holders when null. Returns how many leases.
  guint revoke(const gchar *holder);
  GstStructure *statistics();
  /// Adds the leases that were not released.
  void answer_outstanding(GstQuery *query);

  SinkSettings settings() const;
  /// `change` returns whether it changed something; it runs under a lock, so that threads that
  /// change different settings at once undo nothing of each other's.
  bool change_settings(const std::function<bool(SinkSettings &)> &change);

 private:
  std::shared_ptr<Ledger> ledger() const;
  GstCudaCamLease *lend(const gchar *holder, GstClockTime timeout, GstSegment *segment,
                        GError **error);
  void watch_locked(const std::shared_ptr<Ledger> &book);
  void report(const LeaseBook::Overdue &overdue);
  void warn_of_foreign_frame();
  void notify_statistics_when_due();

  GstElement *const element_;
  CameraView camera_;

  // Guards what follows, before all other locks; never held while calling out.
  mutable std::mutex lock_;
  SinkSettings settings_;                 // any time
  std::map<std::string, guint> holders_;  // any time: GstCudaCamHolders and their queues' sizes
  std::unique_ptr<OverdueWatch> watch_;   // while started, from the first lease-timeout on
  bool started_ = false;

  // Each reader takes it for each lease, and who brings the frames does not.
  mutable PatientMutex ledger_lock_;
  std::shared_ptr<Ledger> ledger_;  // from the first start on; leases keep it beyond that

  // Of settings_, for the streaming thread.
  std::atomic<bool> restarts_{SinkSettings().reconnect_mode == ReconnectMode::kState};
  std::atomic<GstClockTime> statistics_interval_{SinkSettings().statistics_interval};

  // Of the streaming thread, and of start() and streaming_ended(), which run while there is none:
  std::shared_ptr<Ledger> inlet_;  // the same ledger
  CapsPtr caps_;
  BufferPtr early_;  // what publish_early() published last, until the next comes
  bool warned_of_foreign_frames_ = false;
  Ledger::Clock::time_point next_statistics_{};
  StreamJoint joint_;

  SourceRestarter restarter_;
};

}  // namespace cudacam
