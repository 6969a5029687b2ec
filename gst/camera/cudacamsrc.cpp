// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-cudacamsrc
 * @title: cudacamsrc
 * @short_description: An RTSP camera that may go away and come back
 *
 * Connects to an RTSP camera, decodes its first H.264, H.265 or JPEG stream and keeps doing so:
 * whatever happens to the camera or its network, the connection is replaced and the decoder and
 * everything downstream stay as they are. Downstream sees one segment with monotonic running time
 * and never EOS or a flush; at a loss it gets the sticky event `cudacam-camera` (streaming=false)
 * and a GAP, at the return the same event (streaming=true) and a frame with DISCONT.
 *
 * The element is live. It connects in PLAYING, whether or not the camera is there, and lets go of
 * the camera in PAUSED (few cameras implement RTSP's PAUSE).
 *
 * ## Example
 * |[
 * gst-launch-1.0 -m cudacamsrc location=rtsp://192.168.1.10/stream1 ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */
#include "camera/cudacamsrc.hpp"

#include <mutex>

#include "base/gobject.hpp"
#include "base/ptr.hpp"
#include "camera/properties.hpp"
#include "camera/statistics.hpp"
#include "camera/supervisor.hpp"
#include "frame/camera-event.h"

GST_DEBUG_CATEGORY(cudacamsrc_debug);
#define GST_CAT_DEFAULT cudacamsrc_debug

namespace {

using cudacam::ElementError;
using cudacam::Settings;
using cudacam::Status;

GParamSpec *status_pspec;
guint update_uri_signal;

class CameraSource {
 public:
  explicit CameraSource(GstBin *element);
  ~CameraSource() = default;
  static CameraSource &from(gpointer instance);

  GstStateChangeReturn change_state(GstStateChange transition);
  void handle_message(GstMessage *message);
  gboolean send_event(GstEvent *event);
  void reconnect() { supervisor_->reconnect(); }
  void set_property(guint id, const GValue *value, GParamSpec *pspec);
  void get_property(guint id, GValue *value, GParamSpec *pspec);

 private:
  bool handle_upstream_event(GstEvent *event);
  static gboolean source_event(GstPad *pad, GstObject *parent, GstEvent *event);
  static gboolean source_query(GstPad *pad, GstObject *parent, GstQuery *query);
  Settings settings() const;
  std::string update_uri(const std::string &location);

  GstBin *const element_;     // borrowed: the instance owns us
  GstPad *source_;            // owned by the element
  mutable std::mutex mutex_;  // guards settings_; never held while calling out
  Settings settings_;
  std::shared_ptr<cudacam::Supervisor> supervisor_;
};

}  // namespace

struct _GstCudaCamSrc {
  GstBin parent;
  // Atomic: threads of the elements inside, which post messages, get here past GLib's locks, which
  // ThreadSanitizer does not see.
  CameraSource *impl;
};
#define gst_cuda_cam_src_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE(GstCudaCamSrc, gst_cuda_cam_src, GST_TYPE_BIN,
                        GST_DEBUG_CATEGORY_INIT(cudacamsrc_debug, "cudacamsrc", 0,
                                                "RTSP camera that may go away and come back"))
GST_ELEMENT_REGISTER_DEFINE(cudacamsrc, "cudacamsrc", GST_RANK_NONE, gst_cuda_cam_src_get_type())

static GstStaticPadTemplate source_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));

namespace {

CameraSource::CameraSource(GstBin *element) : element_(element) {
  auto *pad_template = gst_element_get_pad_template(GST_ELEMENT(element), "src");
  source_ = gst_ghost_pad_new_no_target_from_template("src", pad_template);
  gst_pad_set_event_function(source_, source_event);
  gst_pad_set_query_function(source_, source_query);
  gst_element_add_pad(GST_ELEMENT(element), source_);
  supervisor_ = std::make_shared<cudacam::Supervisor>(
      element, source_,
      cudacam::Supervisor::Callbacks{
          [this] { return settings(); },
          [this] { g_object_notify_by_pspec(G_OBJECT(element_), status_pspec); },
          [this](const std::string &location) { return update_uri(location); }});
}

GstStateChangeReturn CameraSource::change_state(GstStateChange transition) {
  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      try {
        cudacam::Location::parse(settings().location);
      } catch (const cudacam::LocationError &error) {
        throw ElementError(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, error.what());
      }
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      supervisor_->pause();
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      supervisor_->stop();
      break;
    default:
      break;
  }
  auto result = GST_ELEMENT_CLASS(parent_class)->change_state(GST_ELEMENT(element_), transition);
  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (result == GST_STATE_CHANGE_FAILURE) return result;
      supervisor_->start();
      return GST_STATE_CHANGE_NO_PREROLL;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      if (result != GST_STATE_CHANGE_FAILURE) supervisor_->play();
      return result;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      return result == GST_STATE_CHANGE_FAILURE ? result : GST_STATE_CHANGE_NO_PREROLL;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      supervisor_->release();
      return result;
    default:
      return result;
  }
}

void CameraSource::handle_message(GstMessage *message) {
  if (supervisor_->handle_message(message)) {
    gst_message_unref(message);
    return;
  }
  GST_BIN_CLASS(parent_class)->handle_message(element_, message);
}

bool CameraSource::handle_upstream_event(GstEvent *event) {
  const char *reason = nullptr;
  if (!gst_cuda_cam_event_parse_reconnect(event, &reason)) return false;
  GST_INFO_OBJECT(element_, "downstream asks to reconnect: %s", reason);
  supervisor_->reconnect();
  return true;
}

gboolean CameraSource::send_event(GstEvent *event) {
  if (handle_upstream_event(event)) {
    gst_event_unref(event);
    return TRUE;
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
    gst_event_unref(event);
    supervisor_->finish();
    return TRUE;
  }
  return GST_ELEMENT_CLASS(parent_class)->send_event(GST_ELEMENT(element_), event);
}

gboolean CameraSource::source_event(GstPad *pad, GstObject *parent, GstEvent *event) {
  if (parent && from(parent).handle_upstream_event(event)) {
    gst_event_unref(event);
    return TRUE;
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_LATENCY &&
      !cudacam::adopt(gst_ghost_pad_get_target(GST_GHOST_PAD(pad)))) {
    gst_event_unref(event);
    return TRUE;
  }
  return gst_pad_event_default(pad, parent, event);
}

/// Before there is a decoder nobody else can answer.
gboolean CameraSource::source_query(GstPad *pad, GstObject *parent, GstQuery *query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_SEEKING) {
    GstFormat format = GST_FORMAT_TIME;
    gst_query_parse_seeking(query, &format, nullptr, nullptr, nullptr);
    gst_query_set_seeking(query, format, FALSE, 0, -1);
    return TRUE;
  }
  if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY && parent) {
    const auto target = cudacam::adopt(gst_ghost_pad_get_target(GST_GHOST_PAD(pad)));
    if (!target) {
      gst_query_set_latency(query, TRUE, from(parent).settings().latency * GST_MSECOND,
                            GST_CLOCK_TIME_NONE);
      return TRUE;
    }
  }
  return gst_pad_query_default(pad, parent, query);
}

Settings CameraSource::settings() const {
  Settings copy;
  {
    std::lock_guard lock(mutex_);
    copy = settings_;
  }
  if (copy.camera.empty()) {
    const cudacam::CharPtr name(gst_object_get_name(GST_OBJECT(element_)));
    copy.camera = name.get();
  }
  return copy;
}

void CameraSource::set_property(guint id, const GValue *value, GParamSpec *pspec) {
  {
    std::lock_guard lock(mutex_);
    if (!cudacam::set_property(settings_, id, value))
      G_OBJECT_WARN_INVALID_PROPERTY_ID(element_, id, pspec);
  }
  if (cudacam::is_limit(id)) supervisor_->limits_changed();
}

void CameraSource::get_property(guint id, GValue *value, GParamSpec *pspec) {
  if (id == cudacam::PROP_STATUS)
    return g_value_set_enum(value, int(supervisor_->snapshot().status));
  if (id == cudacam::PROP_STATISTICS)
    return g_value_take_boxed(
        value, cudacam::statistics_of(supervisor_->snapshot(), settings().camera).release());
  if (!cudacam::get_property(settings(), id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(element_, id, pspec);
}

std::string CameraSource::update_uri(const std::string &location) {
  char *updated = nullptr;
  g_signal_emit(element_, update_uri_signal, 0, location.c_str(), &updated);
  const cudacam::CharPtr owned(updated);
  return updated && *updated ? updated : location;
}

CameraSource &CameraSource::from(gpointer instance) {
  return *static_cast<CameraSource *>(g_atomic_pointer_get(&GST_CUDA_CAM_SRC(instance)->impl));
}

}  // namespace

static void gst_cuda_cam_src_reconnect(GstCudaCamSrc *self) {
  cudacam::guarded(self, [&] { CameraSource::from(self).reconnect(); });
}

static void gst_cuda_cam_src_init(GstCudaCamSrc *self) {
  gst_bin_set_suppressed_flags(GST_BIN(self),
                               GstElementFlags(GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK |
                                               GST_ELEMENT_FLAG_PROVIDE_CLOCK));
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
  g_atomic_pointer_set(&self->impl, new CameraSource(GST_BIN(self)));
}

static void gst_cuda_cam_src_finalize(GObject *object) {
  delete GST_CUDA_CAM_SRC(object)->impl;
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void gst_cuda_cam_src_class_init(GstCudaCamSrcClass *klass) {
  auto *object = G_OBJECT_CLASS(klass);
  auto *element = GST_ELEMENT_CLASS(klass);
  object->finalize = gst_cuda_cam_src_finalize;
  object->set_property = cudacam::Vfunc<&CameraSource::set_property>::fn;
  object->get_property = cudacam::Vfunc<&CameraSource::get_property>::fn;
  element->change_state = cudacam::Vfunc<&CameraSource::change_state>::fn;
  element->send_event = cudacam::Vfunc<&CameraSource::send_event>::fn;
  GST_BIN_CLASS(klass)->handle_message = cudacam::Vfunc<&CameraSource::handle_message>::fn;
  status_pspec = cudacam::install_properties(object);

  /**
   * GstCudaCamSrc::reconnect:
   *
   * Replaces the connection. Merged with a reconnect that is under way; in status `backoff` it cuts
   * the wait short. Any thread.
   */
  g_signal_new_class_handler(
      "reconnect", G_TYPE_FROM_CLASS(klass), GSignalFlags(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
      G_CALLBACK(gst_cuda_cam_src_reconnect), nullptr, nullptr, nullptr, G_TYPE_NONE, 0);
  /**
   * GstCudaCamSrc::update-uri:
   * @uri: property location, credentials included
   *
   * Emitted before each attempt, the first one included, on a thread of the element, which waits
   * for the answer: return soon, and change no state.
   *
   * Returns: (transfer full) (nullable): where this attempt is to find the camera, %NULL: at @uri
   */
  update_uri_signal = g_signal_new("update-uri", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0,
                                   nullptr, nullptr, nullptr, G_TYPE_STRING, 1, G_TYPE_STRING);
  gst_element_class_add_static_pad_template(element, &source_template);
  gst_element_class_set_static_metadata(element, "RTSP camera source", "Source/Network/Video",
                                        "Decodes an RTSP camera and keeps reconnecting to it",
                                        "gst-cudacam");
  gst_type_mark_as_plugin_api(cudacam::status_get_type(), GstPluginAPIFlags(0));
}
