// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/rtsp-source.hpp"

#include "base/ptr.hpp"
#include "ingest/location.hpp"

namespace cudacam {
namespace {

enum : guint { PROP_0, PROP_LOCATION, PROP_USER_PW };

/// rtspsrc's class and its own of the properties that are hidden.
struct Original {
  GObjectClass *klass = nullptr;
  GParamSpec *location = nullptr;
  GParamSpec *user_pw = nullptr;
} original;

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *) {
  auto *pspec = id == PROP_LOCATION ? original.location : original.user_pw;
  original.klass->set_property(object, pspec->param_id, value, pspec);
}

void get_property(GObject *object, guint, GValue *value, GParamSpec *) {
  original.klass->get_property(object, original.location->param_id, value, original.location);
  const char *location = g_value_get_string(value);
  if (location) g_value_set_string(value, redact(location).c_str());
}

void class_init(gpointer raw, gpointer) {
  auto *klass = static_cast<GObjectClass *>(raw);
  auto *parent = static_cast<GObjectClass *>(g_type_class_peek_parent(raw));
  original = {parent, g_object_class_find_property(parent, "location"),
              g_object_class_find_property(parent, "user-pw")};
  klass->set_property = set_property;
  klass->get_property = get_property;
  g_object_class_install_property(
      klass, PROP_LOCATION,
      g_param_spec_string("location", "Location", "Without credentials", nullptr,
                          GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS)));
  g_object_class_install_property(
      klass, PROP_USER_PW,
      g_param_spec_string("user-pw", "Password", "Cannot be read", nullptr,
                          GParamFlags(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS)));
  // To everybody else it is what it was made of.
  GST_ELEMENT_CLASS(klass)->elementfactory = GST_ELEMENT_CLASS(parent)->elementfactory;
}

GType derived_from(GType rtspsrc) {
  GTypeQuery parent;
  g_type_query(rtspsrc, &parent);
  GTypeInfo info{};
  info.class_size = static_cast<guint16>(parent.class_size);
  info.instance_size = static_cast<guint16>(parent.instance_size);
  info.class_init = class_init;
  return g_type_register_static(rtspsrc, "GstCudaCamRtspSrc", &info, GTypeFlags(0));
}

}  // namespace

GstElement *make_rtsp_source() {
  const auto known = adopt(gst_element_factory_find("rtspsrc"));
  if (!known) return nullptr;
  const auto factory = adopt(gst_plugin_feature_load(GST_PLUGIN_FEATURE(known.get())));
  if (!factory) return nullptr;
  static const GType type =
      derived_from(gst_element_factory_get_element_type(GST_ELEMENT_FACTORY(factory.get())));
  return GST_ELEMENT(g_object_new(type, nullptr));
}

}  // namespace cudacam
