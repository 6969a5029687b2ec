// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the user wishes of a camera: the one place that holds the properties' defaults.
#pragma once

#include <gio/gio.h>
#include <gst/gst.h>
#include <gst/rtsp/gstrtsptransport.h>

#include <memory>
#include <string>

#include "ingest/reconnect-policy.hpp"

namespace cudacam {

struct Settings {
  std::string location;
  /// Tried one at a time, TCP first: see Transports.
  guint protocols =
      GST_RTSP_LOWER_TRANS_TCP | GST_RTSP_LOWER_TRANS_UDP | GST_RTSP_LOWER_TRANS_UDP_MCAST;
  guint latency = 200;  ///< ms; covers the jitter of a LAN and of busy cameras; rtspsrc's 2000 is
                        ///< for the internet
  std::string user;
  std::string password;
  GTlsCertificateFlags tls_validation_flags = G_TLS_CERTIFICATE_VALIDATE_ALL;
  std::shared_ptr<GTlsDatabase> tls_database;  ///< null: the system's
  GstClockTime connect_timeout = 10 * GST_SECOND;
  /// Longer than the key frame distance of common cameras (1 to 10 s); so is decode_timeout, since
  /// after damage a decoder waits for the next key frame.
  GstClockTime first_frame_timeout = 15 * GST_SECOND;
  /// A live camera sends several packets a second.
  GstClockTime stall_timeout = 5 * GST_SECOND;
  GstClockTime decode_timeout = 15 * GST_SECOND;
  /// Cameras answer TEARDOWN within a second, slow ones within two; one that never got it keeps the
  /// session, and many have only a few.
  GstClockTime teardown_timeout = 2 * GST_SECOND;
  guint max_quarantined = 4;
  GstClockTime retry_min_delay = 500 * GST_MSECOND;
  GstClockTime retry_max_delay = 10 * GST_SECOND;
  gint retry_attempts = -1;
  GstClockTime retry_timeout = 0;
  std::string decoder;
  std::string camera;
};

/// What they are to the policy.
ReconnectPolicy::Limits limits(const Settings &settings);

}  // namespace cudacam
