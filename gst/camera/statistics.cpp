// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera/statistics.hpp"

namespace cudacam {
namespace {

/// Only the reasons that have occurred.
StructurePtr losses_of(const History::Totals &history) {
  StructurePtr fields(gst_structure_new_empty("losses"));
  for (std::size_t i = 0; i < history.losses.size(); i++) {
    if (history.losses[i] > 0)
      gst_structure_set(fields.get(), nick(Reason(i)), G_TYPE_UINT64, guint64(history.losses[i]),
                        nullptr);
  }
  return fields;
}

}  // namespace

StructurePtr statistics_of(const Supervisor::Snapshot &s, const std::string &camera) {
  const auto losses = losses_of(s.history);
  return StructurePtr(gst_structure_new(
      "application/x-cudacam-src-statistics",                                      //
      "camera", G_TYPE_STRING, camera.c_str(),                                     //
      "status", G_TYPE_STRING, nick(s.status),                                     //
      "attempts", G_TYPE_UINT64, guint64(s.history.attempts),                      //
      "connections", G_TYPE_UINT64, s.stage.connections,                           //
      "outages", G_TYPE_UINT64, guint64(s.history.outages),                        //
      "losses", GST_TYPE_STRUCTURE, losses.get(),                                  //
      "num-retry", G_TYPE_UINT64, guint64(s.history.retries),                      //
      "retries", G_TYPE_UINT, s.retries,                                           //
      "last-retry-reason", G_TYPE_STRING, nick(s.last_reason),                     //
      "last-error", G_TYPE_STRING, s.last_error.c_str(),                           //
      "rtsp-status-code", G_TYPE_UINT, s.rtsp_status,                              //
      "downtime", G_TYPE_UINT64, guint64(s.history.downtime.count()),              //
      "total-downtime", G_TYPE_UINT64, guint64(s.history.total_downtime.count()),  //
      "first-frame-delay", G_TYPE_UINT64, s.first_frame_delay,                     //
      "quarantined", G_TYPE_UINT, s.quarantined,                                   //
      "decoders", G_TYPE_UINT64, s.stage.decoders,                                 //
      "frames", G_TYPE_UINT64, s.stage.frames,                                     //
      "dropped", G_TYPE_UINT64, s.stage.dropped,                                   //
      "skipped", G_TYPE_UINT64, s.stage.skipped,                                   //
      "bitrate", G_TYPE_UINT64, s.stage.bitrate, nullptr));
}

}  // namespace cudacam
