// SPDX-License-Identifier: LGPL-2.1-or-later
/// Why a camera is not delivering frames. Pure C++.
#pragma once

#include <string>

namespace cudacam {

/// Why a connection ended or never delivered. The nicks are API: they are in status messages,
/// statistics and the documentation.
enum class Reason {
  none,
  requested,           ///< the reconnect signal or event asked for it
  end_of_stream,       ///< the camera ended the stream or closed the connection
  connection_lost,     ///< reading from or writing to the camera failed
  connect_failed,      ///< no connection; not known why
  unknown_host,        ///< the name does not resolve
  connection_refused,  ///< the host is there and nothing listens on the port
  unreachable,         ///< no route to the host
  no_answer,           ///< no packet within connect-timeout of the attempt's start
  stalled,             ///< packets stopped for stall-timeout
  no_frames,           ///< packets, but no decoded frame in time
  untrusted,           ///< the certificate of an rtsps:// camera is not accepted
  unauthorized,        ///< RTSP 401, 403
  not_found,           ///< RTSP 404, 410
  busy,                ///< RTSP 453, 454, 503: sessions or bandwidth used up
  transport_refused,   ///< RTSP 461: another transport of those allowed is tried
  refused,             ///< any other RTSP error, or no allowed transport is left
  no_video,            ///< the camera offers no video stream
  unsupported_codec,   ///< none of its video streams has a codec known here
  missing_plugin,      ///< an element this codec needs is not installed
  decoder_failed,      ///< the decoder reported an error
  stream_error,        ///< anything else an element reported
};

constexpr Reason kLastReason = Reason::stream_error;

/// Stable, lower case, words joined by `-`.
const char *nick(Reason reason);

/// How patient a retry has to be.
enum class Patience {
  none,     ///< asked for: at once
  link,     ///< the network or the camera is away: soon
  busy,     ///< the camera must forget old sessions first
  refused,  ///< nothing will change before a person changes it; hasty retries lock accounts
};
Patience patience(Reason reason);

/// One failure of one connection.
struct Failure {
  Reason reason = Reason::none;
  std::string sentence;      ///< for the user: what is wrong and what to do; no credentials
  std::string details = {};  ///< for developers; no credentials
  unsigned rtsp_status = 0;  ///< status code of the camera's answer, 0: none
};

}  // namespace cudacam
