// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/sink-properties.hpp"

namespace cudacam {

GType reconnect_mode_get_type() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {static_cast<gint>(ReconnectMode::kEvent), "Send cudacam-reconnect, for a cudacamsrc",
         "event"},
        {static_cast<gint>(ReconnectMode::kState), "Restart the elements upstream", "state"},
        {static_cast<gint>(ReconnectMode::kOff), "Only drain", "off"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("GstCudaCamSinkReconnectMode", values);
  }();
  return type;
}

void install_sink_properties(GObjectClass *object) {
  const SinkSettings defaults;
  constexpr auto writable =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  constexpr auto readable = GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  const auto time = [&](guint id, const char *name, const char *nick, const char *blurb,
                        GstClockTime value) {
    g_object_class_install_property(
        object, id, g_param_spec_uint64(name, nick, blurb, 0, G_MAXUINT64, value, writable));
  };
  time(SINK_PROP_DRAIN_TIMEOUT, "drain-timeout", "Drain timeout",
       "How long the reconnect signal and the way to READY wait for outstanding leases, in "
       "nanoseconds (0: they do not wait)",
       defaults.drain_timeout);
  time(SINK_PROP_LEASE_TIMEOUT, "lease-timeout", "Lease timeout",
       "Age at which a lease is reported as overdue, once, in nanoseconds (0: never)",
       defaults.lease_timeout);
  g_object_class_install_property(
      object, SINK_PROP_MAX_LEASES,
      g_param_spec_uint("max-leases", "Most leases",
                        "Leases that one holder can have at once; each holds a slot of the pool "
                        "(0: as many as it likes)",
                        0, G_MAXUINT, defaults.max_leases, writable));
  g_object_class_install_property(
      object, SINK_PROP_RECONNECT_MODE,
      g_param_spec_enum(
          "reconnect-mode", "Reconnect mode", "What the reconnect signal does after it has drained",
          reconnect_mode_get_type(), static_cast<gint>(defaults.reconnect_mode), writable));
  time(SINK_PROP_STATISTICS_INTERVAL, "statistics-interval", "Statistics interval",
       "How often a change of statistics is notified while frames arrive, in nanoseconds (0: "
       "never)",
       defaults.statistics_interval);
  g_object_class_install_property(
      object, SINK_PROP_STATISTICS,
      g_param_spec_boxed("statistics", "Statistics", "Frames, leases and who holds them",
                         GST_TYPE_STRUCTURE, readable));
}

bool set_sink_property(SinkSettings &settings, guint id, const GValue *value) {
  switch (id) {
    case SINK_PROP_DRAIN_TIMEOUT:
      settings.drain_timeout = g_value_get_uint64(value);
      return true;
    case SINK_PROP_LEASE_TIMEOUT:
      settings.lease_timeout = g_value_get_uint64(value);
      return true;
    case SINK_PROP_MAX_LEASES:
      settings.max_leases = g_value_get_uint(value);
      return true;
    case SINK_PROP_RECONNECT_MODE:
      settings.reconnect_mode = static_cast<ReconnectMode>(g_value_get_enum(value));
      return true;
    case SINK_PROP_STATISTICS_INTERVAL:
      settings.statistics_interval = g_value_get_uint64(value);
      return true;
    default:
      return false;
  }
}

bool get_sink_property(const SinkSettings &settings, guint id, GValue *value) {
  switch (id) {
    case SINK_PROP_DRAIN_TIMEOUT:
      g_value_set_uint64(value, settings.drain_timeout);
      return true;
    case SINK_PROP_LEASE_TIMEOUT:
      g_value_set_uint64(value, settings.lease_timeout);
      return true;
    case SINK_PROP_MAX_LEASES:
      g_value_set_uint(value, settings.max_leases);
      return true;
    case SINK_PROP_RECONNECT_MODE:
      g_value_set_enum(value, static_cast<gint>(settings.reconnect_mode));
      return true;
    case SINK_PROP_STATISTICS_INTERVAL:
      g_value_set_uint64(value, settings.statistics_interval);
      return true;
    default:
      return false;
  }
}

}  // namespace cudacam
