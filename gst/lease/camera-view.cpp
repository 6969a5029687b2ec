// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/camera-view.hpp"

#include <utility>

#include "frame/camera-event.h"

GST_DEBUG_CATEGORY_EXTERN(cudacamsink_debug);
#define GST_CAT_DEFAULT cudacamsink_debug

namespace cudacam {

void CameraView::start() {
  std::lock_guard lock(lock_);
  camera_.clear();
  connection_ = 0;
  streaming_ = false;
  told_by_camera_ = false;
  settled_ = false;
}

void CameraView::see(GstEvent *event, bool restarts) {
  if (told_by_camera(event) || !restarts) return;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START: {
      const auto stream = gst_event_get_seqnum(event);
      std::unique_lock lock(lock_);
      // Told again, to elements linked anew.
      if (std::exchange(stream_, stream) == stream) return;
    }
      [[fallthrough]];
    case GST_EVENT_FLUSH_START:  // a frame of the old stream may still be on its way through us
      return lost("restarted");
    case GST_EVENT_EOS:
      return lost("end of stream");
    default:
      return;
  }
}

bool CameraView::told_by_camera(GstEvent *event) {
  const gchar *camera = nullptr;
  const gchar *reason = nullptr;
  guint64 connection = 0;
  gboolean streaming = FALSE;
  if (!gst_cuda_cam_event_parse_camera(event, &camera, &connection, &streaming, &reason))
    return false;
  {
    std::lock_guard lock(lock_);
    // Sticky events come again when elements are linked anew.
    const bool news = connection_ != connection || streaming_ != bool(streaming);
    camera_ = camera;
    connection_ = connection;
    streaming_ = streaming;
    told_by_camera_ = true;
    settled_ = true;
    if (!news) return true;
  }
  GST_INFO_OBJECT(sink_, "camera %s: connection %" G_GUINT64_FORMAT " %s", camera, connection,
                  streaming ? "delivers frames" : "lost");
  if (streaming)
    g_signal_emit_by_name(sink_, "camera-back", camera, connection);
  else
    g_signal_emit_by_name(sink_, "camera-lost", camera, reason ? reason : "");
  return true;
}

void CameraView::set_source(const std::string &name) {
  std::lock_guard lock(lock_);
  if (!told_by_camera_) camera_ = name;
}

void CameraView::lost(const char *reason) {
  std::string camera;
  {
    std::lock_guard lock(lock_);
    if (told_by_camera_ || !std::exchange(streaming_, false)) return;
    settled_ = false;
    camera = camera_;
  }
  GST_INFO_OBJECT(sink_, "%s lost: %s", camera.c_str(), reason);
  g_signal_emit_by_name(sink_, "camera-lost", camera.c_str(), reason);
}

void CameraView::frame_came(guint64 connection) {
  if (settled_) return;
  std::string camera;
  {
    std::lock_guard lock(lock_);
    if (told_by_camera_ || std::exchange(streaming_, true)) return;
    settled_ = true;
    camera = camera_;
    // The pool's number where there is one, so that the frames and we say the same.
    connection_ = connection = connection ? connection : connection_ + 1;
  }
  GST_INFO_OBJECT(sink_, "%s: connection %" G_GUINT64_FORMAT, camera.c_str(), connection);
  g_signal_emit_by_name(sink_, "camera-back", camera.c_str(), connection);
}

void CameraView::describe(GstStructure *fields) const {
  std::lock_guard lock(lock_);
  gst_structure_set(fields, "camera", G_TYPE_STRING, camera_.c_str(), "connection", G_TYPE_UINT64,
                    connection_, "streaming", G_TYPE_BOOLEAN, gboolean{streaming_}, nullptr);
}

}  // namespace cudacam
