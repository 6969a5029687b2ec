// SPDX-License-Identifier: LGPL-2.1-or-later
/// The properties of cudacamsink, and the settings behind them.
#pragma once

#include <gst/gst.h>

namespace cudacam {

/// How the reconnect signal asks upstream.
enum class ReconnectMode { kEvent, kState, kOff };
GType reconnect_mode_get_type();

/// What the user wishes of a sink: the one place that holds the properties' defaults.
struct SinkSettings {
  GstClockTime drain_timeout = 0;
  GstClockTime lease_timeout = 0;
  guint max_leases = 0;
  ReconnectMode reconnect_mode = ReconnectMode::kEvent;
  GstClockTime statistics_interval = GST_SECOND;
};

enum : guint {
  SINK_PROP_0,
  // In settings:
  SINK_PROP_DRAIN_TIMEOUT,
  SINK_PROP_LEASE_TIMEOUT,
  SINK_PROP_MAX_LEASES,
  SINK_PROP_RECONNECT_MODE,
  SINK_PROP_STATISTICS_INTERVAL,
  // The element's own:
  SINK_PROP_STATISTICS,
};

void install_sink_properties(GObjectClass *object);

/// One of those in settings; false for any other.
bool set_sink_property(SinkSettings &settings, guint id, const GValue *value);
bool get_sink_property(const SinkSettings &settings, guint id, GValue *value);

}  // namespace cudacam
