// SPDX-License-Identifier: LGPL-2.1-or-later
/// The properties of cudacamsrc, and the settings behind them.
#pragma once

#include <glib-object.h>

#include "camera/settings.hpp"

namespace cudacam {

enum : guint {
  PROP_0,
  // In settings:
  PROP_LOCATION,
  PROP_PROTOCOLS,
  PROP_LATENCY,
  PROP_USER_ID,
  PROP_USER_PW,
  PROP_TLS_VALIDATION_FLAGS,
  PROP_TLS_DATABASE,
  PROP_CONNECT_TIMEOUT,
  PROP_FIRST_FRAME_TIMEOUT,
  PROP_STALL_TIMEOUT,
  PROP_DECODE_TIMEOUT,
  PROP_TEARDOWN_TIMEOUT,
  PROP_MAX_QUARANTINED,
  PROP_RETRY_MIN_DELAY,
  PROP_RETRY_MAX_DELAY,
  PROP_RETRY_ATTEMPTS,
  PROP_RETRY_TIMEOUT,
  PROP_DECODER,
  PROP_CAMERA_NAME,
  // The element's own:
  PROP_STATUS,
  PROP_STATISTICS,
};

/// GstCudaCamSrcStatus.
GType status_get_type();

/// Installs all; returns that of `status`, for notifications.
GParamSpec *install_properties(GObjectClass *object);

/// One of those in settings; false for any other. The password cannot be read, the location reads
/// without credentials.
bool set_property(Settings &settings, guint id, const GValue *value);
bool get_property(const Settings &settings, guint id, GValue *value);

/// A timeout or a limit of the retries: those hold at once, the others from the next connection on.
bool is_limit(guint id);

}  // namespace cudacam
