// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-cudacampool
 * @title: cudacampool
 * @short_description: Keeps frames in a few slots that outlive the decoder
 *
 * Proposes a buffer pool over a fixed number of slots to the upstream element, so that a decoder
 * writes its frames straight into memory that does not belong to it. What arrives in other memory
 * is copied once. Frames stay valid and unchanged while anybody holds them, whatever becomes of the
 * camera, the decoder or the pipeline; when all slots are held, new frames are dropped and counted.
 *
 * The memory is that of the caps: `video/x-raw(memory:CUDAMemory)` is kept on the GPU,
 * `video/x-raw` in system memory. Each frame gets a #GstCudaCamFrameMeta.
 *
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=100 ! cudacampool slots=4 ! cudacamsink
 * ]|
 */
#include "pool/cudacampool.hpp"

#include <utility>

#include "base/gobject.hpp"
#include "frame/outstanding-query.h"
#include "pool/slot-filter.hpp"

GST_DEBUG_CATEGORY(cudacampool_debug);

using cudacam::guarded;
using cudacam::SlotFilter;

namespace {
enum : guint {
  PROP_0,
  PROP_SLOTS,
  PROP_CAMERA_NAME,
  PROP_CUDA_DEVICE_ID,
  PROP_SYNC_MODE,
  PROP_MIN_REUSE_DELAY,
  PROP_VRAM_BUDGET,
  PROP_STATISTICS
};
}  // namespace

static GType gst_cuda_cam_pool_sync_mode_get_type() {
  static const GType type = [] {
    using Mode = SlotFilter::SyncMode;
    static const GEnumValue values[] = {
        {static_cast<gint>(Mode::kAuto),
         "Readers that list the frame meta in their ALLOCATION answer wait for the frame's fence, "
         "others get what stock elements of this GStreamer expect",
         "auto"},
        {static_cast<gint>(Mode::kGpu), "All readers wait for the frame's fence", "gpu"},
        {static_cast<gint>(Mode::kCpu), "Frames are complete, this element waits for them", "cpu"},
        {0, nullptr, nullptr},
    };
    return g_enum_register_static("GstCudaCamPoolSyncMode", values);
  }();
  return type;
}

struct _GstCudaCamPool {
  GstBaseTransform parent;
  SlotFilter *filter;
};

G_DEFINE_TYPE_WITH_CODE(GstCudaCamPool, gst_cuda_cam_pool, GST_TYPE_BASE_TRANSFORM,
                        GST_DEBUG_CATEGORY_INIT(cudacampool_debug, "cudacampool", 0,
                                                "frames in slots that outlive the decoder"))
GST_ELEMENT_REGISTER_DEFINE(cudacampool, "cudacampool", GST_RANK_NONE, gst_cuda_cam_pool_get_type())

static SlotFilter &filter_of(gpointer instance) {
  return *GST_CUDA_CAM_POOL(instance)->filter;
}

static gboolean gst_cuda_cam_pool_start(GstBaseTransform *transform) {
  return guarded(transform, [&] {
    filter_of(transform).start();
    return TRUE;
  });
}

static gboolean gst_cuda_cam_pool_stop(GstBaseTransform *transform) {
  return guarded(transform, [&] {
    filter_of(transform).stop();
    return TRUE;
  });
}

static gboolean gst_cuda_cam_pool_set_caps(GstBaseTransform *transform, GstCaps *caps, GstCaps *) {
  return guarded(transform, [&] { return gboolean{filter_of(transform).set_caps(caps)}; });
}

static gboolean gst_cuda_cam_pool_propose_allocation(GstBaseTransform *transform, GstQuery *,
                                                     GstQuery *query) {
  return guarded(transform,
                 [&] { return gboolean{filter_of(transform).propose_allocation(query)}; });
}

/// Frames are in our slots already or will be copied there: downstream's pools are not for us.
static gboolean gst_cuda_cam_pool_decide_allocation(GstBaseTransform *transform, GstQuery *query) {
  filter_of(transform).decide_allocation(query);
  // Or the base class would activate them.
  while (gst_query_get_n_allocation_pools(query)) gst_query_remove_nth_allocation_pool(query, 0);
  return TRUE;
}

/// Never called, since generate_output does the work. Without it the base class takes us for an
/// element that works in place, and does not ask downstream about allocation.
static GstFlowReturn gst_cuda_cam_pool_transform(GstBaseTransform *, GstBuffer *, GstBuffer *) {
  return GST_FLOW_NOT_SUPPORTED;
}

static gboolean gst_cuda_cam_pool_query(GstBaseTransform *transform, GstPadDirection direction,
                                        GstQuery *query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_CONTEXT && filter_of(transform).answer(query)) return TRUE;
  const auto outstanding = gst_cuda_cam_query_is_outstanding(query);
  if (outstanding) guarded(transform, [&] { filter_of(transform).answer_outstanding(query); });
  const auto answered =
      GST_BASE_TRANSFORM_CLASS(gst_cuda_cam_pool_parent_class)->query(transform, direction, query);
  return outstanding || answered;
}

static gboolean gst_cuda_cam_pool_sink_event(GstBaseTransform *transform, GstEvent *event) {
  guarded(transform, [&] { filter_of(transform).observe(event); });
  return GST_BASE_TRANSFORM_CLASS(gst_cuda_cam_pool_parent_class)->sink_event(transform, event);
}

static GstFlowReturn gst_cuda_cam_pool_generate_output(GstBaseTransform *transform,
                                                       GstBuffer **result) {
  *result = nullptr;
  cudacam::BufferPtr frame(std::exchange(transform->queued_buf, nullptr));
  if (!frame) return GST_FLOW_OK;
  if (filter_of(transform).failed()) return GST_FLOW_ERROR;  // it was said why
  return guarded(transform, [&] {
    *result = filter_of(transform).process(std::move(frame)).release();
    return GST_FLOW_OK;
  });
}

static void gst_cuda_cam_pool_set_context(GstElement *element, GstContext *context) {
  filter_of(element).set_context(context);
  GST_ELEMENT_CLASS(gst_cuda_cam_pool_parent_class)->set_context(element, context);
}

/// False when there is no such property.
static bool set_pool_property(SlotFilter::Settings &settings, guint id, const GValue *value) {
  switch (id) {
    case PROP_SLOTS:
      settings.slots = g_value_get_uint(value);
      return true;
    case PROP_CAMERA_NAME:
      settings.camera_name = g_value_get_string(value) ? g_value_get_string(value) : "";
      return true;
    case PROP_CUDA_DEVICE_ID:
      settings.device = g_value_get_int(value);
      return true;
    case PROP_MIN_REUSE_DELAY:
      settings.min_reuse_delay = g_value_get_uint64(value);
      return true;
    case PROP_VRAM_BUDGET:
      settings.vram_budget = g_value_get_uint64(value);
      return true;
    case PROP_SYNC_MODE:
      settings.sync_mode = static_cast<SlotFilter::SyncMode>(g_value_get_enum(value));
      return true;
    default:
      return false;
  }
}

static void gst_cuda_cam_pool_set_property(GObject *object, guint id, const GValue *value,
                                           GParamSpec *spec) {
  if (!filter_of(object).change_settings(
          [&](SlotFilter::Settings &settings) { return set_pool_property(settings, id, value); }))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void gst_cuda_cam_pool_get_property(GObject *object, guint id, GValue *value,
                                           GParamSpec *spec) {
  const auto settings = filter_of(object).settings();
  const auto &name = settings.camera_name;
  switch (id) {
    case PROP_SLOTS:
      return g_value_set_uint(value, settings.slots);
    case PROP_CAMERA_NAME:
      return g_value_set_string(value, name.empty() ? nullptr : name.c_str());
    case PROP_CUDA_DEVICE_ID:
      return g_value_set_int(value, settings.device);
    case PROP_MIN_REUSE_DELAY:
      return g_value_set_uint64(value, settings.min_reuse_delay);
    case PROP_VRAM_BUDGET:
      return g_value_set_uint64(value, settings.vram_budget);
    case PROP_SYNC_MODE:
      return g_value_set_enum(value, static_cast<gint>(settings.sync_mode));
    case PROP_STATISTICS:
      return g_value_take_boxed(value, filter_of(object).statistics());
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_cuda_cam_pool_init(GstCudaCamPool *self) {
  self->filter = new SlotFilter(GST_ELEMENT(self));
  gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), FALSE);
}

static void gst_cuda_cam_pool_finalize(GObject *object) {
  delete GST_CUDA_CAM_POOL(object)->filter;
  G_OBJECT_CLASS(gst_cuda_cam_pool_parent_class)->finalize(object);
}

static void install_properties(GObjectClass *object) {
  const auto at_start =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  g_object_class_install_property(
      object, PROP_SLOTS,
      g_param_spec_uint("slots", "Slots",
                        "Frames that can be held at once, at least 2; takes effect when the "
                        "element starts or the caps change",
                        0, SlotFilter::kMostSlots, SlotFilter::Settings{}.slots, at_start));
  g_object_class_install_property(
      object, PROP_CAMERA_NAME,
      g_param_spec_string("camera-name", "Camera name",
                          "Name of the camera in the frame meta (NULL: what the source upstream "
                          "says, else the element's name)",
                          nullptr, at_start));
  g_object_class_install_property(
      object, PROP_CUDA_DEVICE_ID,
      g_param_spec_int("cuda-device-id", "CUDA device",
                       "CUDA device for frames in CUDA memory when no neighbour brings a context "
                       "(-1: the first)",
                       -1, G_MAXINT, SlotFilter::Settings{}.device, at_start));
  g_object_class_install_property(
      object, PROP_SYNC_MODE,
      g_param_spec_enum(
          "sync-mode", "Sync mode",
          "Who waits for frames in CUDA memory that the GPU has still to write",
          gst_cuda_cam_pool_sync_mode_get_type(),
          static_cast<gint>(SlotFilter::Settings{}.sync_mode),
          GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object, PROP_MIN_REUSE_DELAY,
      g_param_spec_uint64("min-reuse-delay", "Minimum reuse delay",
                          "A released slot is not written again sooner (ns)", 0, G_MAXINT64,
                          SlotFilter::Settings{}.min_reuse_delay, at_start));
  g_object_class_install_property(
      object, PROP_VRAM_BUDGET,
      g_param_spec_uint64("vram-budget", "VRAM budget",
                          "Bytes that all generations of slots may take together; frames that find "
                          "no room are dropped (0: no limit)",
                          0, G_MAXUINT64, SlotFilter::Settings{}.vram_budget, at_start));
  g_object_class_install_property(
      object, PROP_STATISTICS,
      g_param_spec_boxed("statistics", "Statistics", "Slots, bytes and frames", GST_TYPE_STRUCTURE,
                         GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

static void gst_cuda_cam_pool_class_init(GstCudaCamPoolClass *klass) {
  auto *object = G_OBJECT_CLASS(klass);
  auto *element = GST_ELEMENT_CLASS(klass);
  auto *transform = GST_BASE_TRANSFORM_CLASS(klass);
  object->finalize = gst_cuda_cam_pool_finalize;
  object->set_property = gst_cuda_cam_pool_set_property;
  object->get_property = gst_cuda_cam_pool_get_property;
  element->set_context = gst_cuda_cam_pool_set_context;
  transform->start = gst_cuda_cam_pool_start;
  transform->stop = gst_cuda_cam_pool_stop;
  transform->set_caps = gst_cuda_cam_pool_set_caps;
  transform->propose_allocation = gst_cuda_cam_pool_propose_allocation;
  transform->decide_allocation = gst_cuda_cam_pool_decide_allocation;
  transform->query = gst_cuda_cam_pool_query;
  transform->sink_event = gst_cuda_cam_pool_sink_event;
  transform->transform = gst_cuda_cam_pool_transform;
  transform->generate_output = gst_cuda_cam_pool_generate_output;
  install_properties(object);

  // CUDA memory first: a decoder that can write both takes the first that fits.
  static GstStaticCaps caps = GST_STATIC_CAPS("video/x-raw(memory:CUDAMemory); video/x-raw");
  auto *both = gst_static_caps_get(&caps);
  gst_element_class_add_pad_template(
      element, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, both));
  gst_element_class_add_pad_template(
      element, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, both));
  gst_caps_unref(both);
  gst_element_class_set_static_metadata(element, "Camera frame slots", "Filter/Video",
                                        "Keeps frames in a few slots that outlive the decoder",
                                        "The gst-cudacam authors");
}
