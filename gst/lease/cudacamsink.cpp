// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-cudacamsink
 * @title: cudacamsink
 * @short_description: Lends frames to inference threads
 *
 * Ends a camera's pipeline and lends its newest frame to any number of named holders, in system
 * memory or on the GPU, without copying. Applications take leases through libgstcudacam
 * (gst_cuda_cam_lender_acquire()). Upstream is never blocked by a reader: a frame that nobody takes
 * is replaced by the next one.
 *
 * |[
 * gst-launch-1.0 -v videotestsrc is-live=true ! cudacampool ! cudacamsink
 * ]| prints the statistics once a second.
 */
#include "lease/cudacamsink.hpp"

#include <gst/video/video.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "base/gobject.hpp"
#include "frame/camera-event.h"
#include "frame/frame-meta.h"
#include "frame/outstanding-query.h"
#include "lease/frame-lender.hpp"
#include "lease/lender.h"

GST_DEBUG_CATEGORY(cudacamsink_debug);

using cudacam::FrameLender;
using cudacam::guarded;

namespace {
constexpr auto kAction = GSignalFlags(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION);
}  // namespace

struct _GstCudaCamSink {
  GstBaseSink parent;
  FrameLender *lender;
};

static void gst_cuda_cam_sink_lender_init(GstCudaCamLenderInterface *iface) {
  iface->acquire = [](GstCudaCamLender *self, const gchar *holder, GstClockTime timeout,
                      GError **error) {
    return guarded(
        self, [&] { return GST_CUDA_CAM_SINK(self)->lender->acquire(holder, timeout, error); });
  };
  iface->add_holder = [](GstCudaCamLender *self, const gchar *holder, guint queue_size,
                         GError **error) {
    return guarded(self, [&] {
      return GST_CUDA_CAM_SINK(self)->lender->add_holder(holder, queue_size, error);
    });
  };
  iface->remove_holder = [](GstCudaCamLender *self, const gchar *holder) {
    guarded(self, [&] { GST_CUDA_CAM_SINK(self)->lender->remove_holder(holder); });
  };
}

G_DEFINE_TYPE_WITH_CODE(GstCudaCamSink, gst_cuda_cam_sink, GST_TYPE_BASE_SINK,
                        G_IMPLEMENT_INTERFACE(GST_TYPE_CUDA_CAM_LENDER,
                                              gst_cuda_cam_sink_lender_init)
                            GST_DEBUG_CATEGORY_INIT(cudacamsink_debug, "cudacamsink", 0,
                                                    "lends frames to inference threads"))
GST_ELEMENT_REGISTER_DEFINE(cudacamsink, "cudacamsink", GST_RANK_NONE, gst_cuda_cam_sink_get_type())

/// Not GstBaseSink's start and stop, which belong to READY: frames are lent from PAUSED on.
static GstStateChangeReturn gst_cuda_cam_sink_change_state(GstElement *element,
                                                           GstStateChange transition) {
  auto &lender = *GST_CUDA_CAM_SINK(element)->lender;
  return guarded(element, [&] {
    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) lender.start();
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) lender.stop();
    const auto result =
        GST_ELEMENT_CLASS(gst_cuda_cam_sink_parent_class)->change_state(element, transition);
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) lender.streaming_ended();
    return result;
  });
}

static gboolean gst_cuda_cam_sink_event(GstBaseSink *sink, GstEvent *event) {
  guarded(sink, [&] { GST_CUDA_CAM_SINK(sink)->lender->observe(event); });
  return GST_BASE_SINK_CLASS(gst_cuda_cam_sink_parent_class)->event(sink, event);
}

static gboolean gst_cuda_cam_sink_set_caps(GstBaseSink *sink, GstCaps *caps) {
  GST_CUDA_CAM_SINK(sink)->lender->set_caps(caps);
  return TRUE;
}

static gboolean gst_cuda_cam_sink_propose_allocation(GstBaseSink *, GstQuery *query) {
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  // Whoever reads a lease waits for its fence.
  gst_query_add_allocation_meta(query, GST_CUDA_CAM_FRAME_META_API_TYPE, nullptr);
  return TRUE;
}

/// From upstream.
static gboolean gst_cuda_cam_sink_query(GstBaseSink *sink, GstQuery *query) {
  if (!gst_cuda_cam_query_is_outstanding(query))
    return GST_BASE_SINK_CLASS(gst_cuda_cam_sink_parent_class)->query(sink, query);
  guarded(sink, [&] { GST_CUDA_CAM_SINK(sink)->lender->answer_outstanding(query); });
  return TRUE;
}

/// From the application.
static gboolean gst_cuda_cam_sink_element_query(GstElement *element, GstQuery *query) {
  const auto outstanding = gst_cuda_cam_query_is_outstanding(query);
  if (outstanding)
    guarded(element, [&] { GST_CUDA_CAM_SINK(element)->lender->answer_outstanding(query); });
  const auto upstream = GST_ELEMENT_CLASS(gst_cuda_cam_sink_parent_class)->query(element, query);
  return outstanding || upstream;
}

static GstFlowReturn gst_cuda_cam_sink_render(GstBaseSink *sink, GstBuffer *buffer) {
  return guarded(sink, [&] { return GST_CUDA_CAM_SINK(sink)->lender->publish(buffer); });
}

/// In PAUSED, of the frame that waits there; in PLAYING it is rendered, too.
static GstFlowReturn gst_cuda_cam_sink_preroll(GstBaseSink *sink, GstBuffer *buffer) {
  return guarded(sink, [&] { return GST_CUDA_CAM_SINK(sink)->lender->publish_early(buffer); });
}

static GstStructure *gst_cuda_cam_sink_drain(GstCudaCamSink *self, guint64 timeout) {
  return guarded(self, [&] { return self->lender->drain(timeout); });
}

static GstSample *gst_cuda_cam_sink_try_pull_sample(GstCudaCamSink *self, guint64 timeout) {
  return guarded(self, [&] { return self->lender->pull_sample(timeout); });
}

static guint gst_cuda_cam_sink_revoke(GstCudaCamSink *self, const gchar *holder) {
  return guarded(self, [&] { return self->lender->revoke(holder); });
}

static gboolean gst_cuda_cam_sink_reconnect(GstCudaCamSink *self) {
  return guarded(self, [&] { return self->lender->reconnect(); });
}

/// GstBaseSink looks at a frame's time before it asks us.
static GstPadProbeReturn gst_cuda_cam_sink_join(GstPad *, GstPadProbeInfo *info, gpointer self) {
  guarded(self, [&] { GST_CUDA_CAM_SINK(self)->lender->join(GST_PAD_PROBE_INFO_BUFFER(info)); });
  return GST_PAD_PROBE_OK;
}

static void gst_cuda_cam_sink_set_property(GObject *object, guint id, const GValue *value,
                                           GParamSpec *spec) {
  guarded(object, [&] {
    if (!GST_CUDA_CAM_SINK(object)->lender->change_settings([&](cudacam::SinkSettings &settings) {
          return cudacam::set_sink_property(settings, id, value);
        }))
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  });
}

static void gst_cuda_cam_sink_get_property(GObject *object, guint id, GValue *value,
                                           GParamSpec *spec) {
  auto &lender = *GST_CUDA_CAM_SINK(object)->lender;
  if (id == cudacam::SINK_PROP_STATISTICS) return g_value_take_boxed(value, lender.statistics());
  if (!cudacam::get_sink_property(lender.settings(), id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void gst_cuda_cam_sink_init(GstCudaCamSink *self) {
  auto *sink = GST_BASE_SINK(self);
  self->lender = new FrameLender(GST_ELEMENT(self));
  gst_pad_add_probe(GST_BASE_SINK_PAD(self), GST_PAD_PROBE_TYPE_BUFFER, gst_cuda_cam_sink_join,
                    self, nullptr);
  // A live picture is lent as soon as it is there: nothing to synchronise, no preroll to wait for,
  // and no last sample, which would hold a slot for ever.
  gst_base_sink_set_sync(sink, FALSE);
  gst_base_sink_set_async_enabled(sink, FALSE);
  gst_base_sink_set_last_sample_enabled(sink, FALSE);
}

static void gst_cuda_cam_sink_finalize(GObject *object) {
  delete GST_CUDA_CAM_SINK(object)->lender;
  G_OBJECT_CLASS(gst_cuda_cam_sink_parent_class)->finalize(object);
}

static void install_actions(GType type) {
  /**
   * GstCudaCamSink::drain:
   * @sink: the sink
   * @timeout: the longest wait, in nanoseconds
   *
   * Gives no new leases, forgets the newest frame and those that are queued, waits until all leases
   * are released or @timeout has passed, then gives leases again. Any thread but one that holds a
   * lease.
   *
   * Returns: (transfer full): `drained` (boolean), `outstanding` (uint) and `holders` (array
   *   of structures: `name`, `leases` it still has)
   */
  g_signal_new_class_handler("drain", type, kAction, G_CALLBACK(gst_cuda_cam_sink_drain), nullptr,
                             nullptr, nullptr, GST_TYPE_STRUCTURE, 1, G_TYPE_UINT64);
  /**
   * GstCudaCamSink::reconnect:
   * @sink: the sink
   *
   * Drains for at most `drain-timeout`, then does what `reconnect-mode` says: asks the cudacamsrc
   * upstream to replace its connection, or restarts the elements upstream on a thread of its own.
   * Any thread but one that holds a lease when there is a `drain-timeout`.
   *
   * Returns: whether an upstream element took the request, or a source is going to be restarted
   */
  g_signal_new_class_handler("reconnect", type, kAction, G_CALLBACK(gst_cuda_cam_sink_reconnect),
                             nullptr, nullptr, nullptr, G_TYPE_BOOLEAN, 0);
  /**
   * GstCudaCamSink::try-pull-sample:
   * @sink: the sink
   * @timeout: the longest wait, in nanoseconds
   *
   * The newest frame that was not pulled before, as appsink would give it, for those who want no
   * leases. The frame is complete. It keeps its slot as long as its buffer lives, and no drain
   * waits for it. Any thread.
   *
   * Returns: (transfer full) (nullable): a sample with buffer, caps and segment, or %NULL when no
   *   frame came in time or the element is stopped
   */
  g_signal_new_class_handler("try-pull-sample", type, kAction,
                             G_CALLBACK(gst_cuda_cam_sink_try_pull_sample), nullptr, nullptr,
                             nullptr, GST_TYPE_SAMPLE, 1, G_TYPE_UINT64);
  /**
   * GstCudaCamSink::revoke:
   * @sink: the sink
   * @holder: (nullable): name of the holder, or %NULL for all
   *
   * Forgets the leases that are out: no drain waits for them and they do not count towards
   * `max-leases`. Their frames stay valid until they are released; until then their slots are lost
   * to the pool. gst_cuda_cam_lease_is_revoked() tells the holder.
   *
   * Returns: how many leases
   */
  g_signal_new_class_handler("revoke", type, kAction, G_CALLBACK(gst_cuda_cam_sink_revoke), nullptr,
                             nullptr, nullptr, G_TYPE_UINT, 1, G_TYPE_STRING);
}

static void install_notifications(GType type) {
  const auto notification = [&](const char *name, std::initializer_list<GType> parameters) {
    std::vector<GType> types(parameters);
    g_signal_newv(name, type, G_SIGNAL_RUN_LAST, nullptr, nullptr, nullptr, nullptr, G_TYPE_NONE,
                  static_cast<guint>(types.size()), types.data());
  };
  /**
   * GstCudaCamSink::new-frame:
   * @sink: the sink
   *
   * A frame can be leased now. On the streaming thread, which the handler holds up.
   */
  notification("new-frame", {});
  /**
   * GstCudaCamSink::lease-overdue:
   * @sink: the sink
   * @holder: who has the lease
   * @age: for how long, in nanoseconds
   *
   * A lease is older than `lease-timeout`; once for each. On a thread of the sink, from which its
   * state must not be changed; the element message `cudacam-lease-overdue` says the same.
   */
  notification("lease-overdue", {G_TYPE_STRING, G_TYPE_UINT64});
  /**
   * GstCudaCamSink::drained:
   * @sink: the sink
   * @answer: what the drain signal returns
   *
   * A drain has ended, complete or not, and leases are given again. On the thread that drained.
   */
  notification("drained", {GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE});
  /**
   * GstCudaCamSink::camera-lost:
   * @sink: the sink
   * @camera: name of the camera
   * @reason: why, for people
   *
   * The cudacamsrc upstream has lost its camera. On the streaming thread. With
   * `reconnect-mode=state`, also when the stream of any other source has ended or is restarted;
   * then on the thread that restarts it.
   */
  notification("camera-lost", {G_TYPE_STRING, G_TYPE_STRING});
  /**
   * GstCudaCamSink::camera-back:
   * @sink: the sink
   * @camera: name of the camera
   * @connection: connections that delivered frames, with this one: 1 for the first
   *
   * Frames of the camera follow, for the first time or again. On the streaming thread.
   */
  notification("camera-back", {G_TYPE_STRING, G_TYPE_UINT64});
}

static void gst_cuda_cam_sink_class_init(GstCudaCamSinkClass *klass) {
  auto *object = G_OBJECT_CLASS(klass);
  auto *element = GST_ELEMENT_CLASS(klass);
  auto *sink = GST_BASE_SINK_CLASS(klass);
  object->finalize = gst_cuda_cam_sink_finalize;
  object->set_property = gst_cuda_cam_sink_set_property;
  object->get_property = gst_cuda_cam_sink_get_property;
  element->change_state = gst_cuda_cam_sink_change_state;
  element->query = gst_cuda_cam_sink_element_query;
  sink->query = gst_cuda_cam_sink_query;
  sink->set_caps = gst_cuda_cam_sink_set_caps;
  sink->event = gst_cuda_cam_sink_event;
  sink->propose_allocation = gst_cuda_cam_sink_propose_allocation;
  sink->preroll = gst_cuda_cam_sink_preroll;
  sink->render = gst_cuda_cam_sink_render;
  cudacam::install_sink_properties(object);
  install_actions(G_TYPE_FROM_CLASS(klass));
  install_notifications(G_TYPE_FROM_CLASS(klass));

  static GstStaticPadTemplate pad = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                            GST_STATIC_CAPS("video/x-raw(ANY)"));
  gst_element_class_add_static_pad_template(element, &pad);
  gst_element_class_set_static_metadata(element, "Camera frame lender", "Sink/Video",
                                        "Lends frames to inference threads without copying them",
                                        "The gst-cudacam authors");
}
