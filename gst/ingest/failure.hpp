// SPDX-License-Identifier: LGPL-2.1-or-later
/// What an error message of rtspsrc and its neighbours means to a user.
#pragma once

#include <gio/gio.h>
#include <gst/gst.h>

#include <memory>
#include <string>
#include <vector>

#include "ingest/reason.hpp"

namespace cudacam {

/// The streams of a camera's answer (SDP), in its order.
struct StreamOffer {
  bool video;
  std::string encoding_name;
};

/// What one of them says of itself, as rtspsrc passes it on; null: nothing.
StreamOffer stream_offer(const GstCaps *caps);

/// `message`: an ERROR message. `offers`: what select-stream has seen of this connection. The
/// result is not redacted yet.
Failure failure_of(GstMessage *message, const std::vector<StreamOffer> &offers);

/// Sentence for failures that no element reports.
Failure failure_of(Reason reason);

/// Where a connection was tried, and what was asked of a TLS certificate.
struct Endpoint {
  std::string host;
  unsigned port;
  bool tls = false;
  GTlsCertificateFlags validation = G_TLS_CERTIFICATE_VALIDATE_ALL;
  std::shared_ptr<GTlsDatabase> database = {};
};

/// Connects once more, without RTSP, to learn why rtspsrc could not (it logs the reason and does
/// not pass it on, up to 1.26 at least). Blocks for up to two seconds; `cancellable` ends it
/// sooner.
Failure diagnose_connect(const Endpoint &endpoint, GCancellable *cancellable);

}  // namespace cudacam
