// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/reason.hpp"

namespace cudacam {

const char *nick(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "none";
    case Reason::requested:
      return "requested";
    case Reason::end_of_stream:
      return "end-of-stream";
    case Reason::connection_lost:
      return "connection-lost";
    case Reason::connect_failed:
      return "connect-failed";
    case Reason::unknown_host:
      return "unknown-host";
    case Reason::connection_refused:
      return "connection-refused";
    case Reason::unreachable:
      return "unreachable";
    case Reason::no_answer:
      return "no-answer";
    case Reason::stalled:
      return "stalled";
    case Reason::no_frames:
      return "no-frames";
    case Reason::untrusted:
      return "untrusted";
    case Reason::unauthorized:
      return "unauthorized";
    case Reason::not_found:
      return "not-found";
    case Reason::busy:
      return "busy";
    case Reason::transport_refused:
      return "transport-refused";
    case Reason::refused:
      return "refused";
    case Reason::no_video:
      return "no-video";
    case Reason::unsupported_codec:
      return "unsupported-codec";
    case Reason::missing_plugin:
      return "missing-plugin";
    case Reason::decoder_failed:
      return "decoder-failed";
    case Reason::stream_error:
      return "stream-error";
  }
  return "none";
}

Patience patience(Reason reason) {
  switch (reason) {
    case Reason::none:
    case Reason::requested:
    case Reason::transport_refused:
      return Patience::none;
    case Reason::busy:
      return Patience::busy;
    case Reason::untrusted:
    case Reason::unauthorized:
    case Reason::not_found:
    case Reason::refused:
    case Reason::no_video:
    case Reason::unsupported_codec:
    case Reason::missing_plugin:
      return Patience::refused;
    default:
      return Patience::link;
  }
}

}  // namespace cudacam
