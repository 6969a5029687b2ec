// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/failure.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/ptr.hpp"
#include "ingest/codec.hpp"

namespace cudacam {
namespace {

bool contains(std::string_view text, std::string_view what) {
  return text.find(what) != std::string_view::npos;
}

/// The camera's status code. Errors of SETUP carry it in their debug text only.
unsigned rtsp_status(GstMessage *message, std::string_view debug) {
  const GstStructure *details = nullptr;
  gst_message_parse_error_details(message, &details);
  guint code = 0;
  if (details && gst_structure_get_uint(details, "rtsp-status-code", &code)) return code;
  constexpr std::string_view marker = "Error (";
  const auto at = debug.find(marker);
  if (at == std::string_view::npos) return 0;
  const auto value =
      std::strtoul(std::string(debug.substr(at + marker.size(), 3)).c_str(), nullptr, 10);
  return value >= 300 && value < 600 ? static_cast<unsigned>(value) : 0;
}

Reason reason_of_status(unsigned code) {
  switch (code) {
    case 401:
    case 403:
      return Reason::unauthorized;
    case 404:
    case 410:
      return Reason::not_found;
    case 453:
    case 454:
    case 503:
      return Reason::busy;
    case 461:
      return Reason::transport_refused;
    default:
      return Reason::refused;
  }
}

gboolean accept_certificate(GTlsConnection *, GTlsCertificate *, GTlsCertificateFlags problems,
                            const Endpoint *endpoint) {
  return (problems & endpoint->validation) == 0;
}

/// Checks a certificate as rtspsrc does.
void on_connect_event(GSocketClient *, GSocketClientEvent event, GSocketConnectable *,
                      GIOStream *stream, Endpoint *endpoint) {
  if (event != G_SOCKET_CLIENT_TLS_HANDSHAKING) return;
  if (endpoint->database)
    g_tls_connection_set_database(G_TLS_CONNECTION(stream), endpoint->database.get());
  g_signal_connect(stream, "accept-certificate", G_CALLBACK(accept_certificate), endpoint);
}

Failure no_stream(const std::vector<StreamOffer> &offers) {
  std::string codecs;
  for (const auto &offer : offers) {
    if (!offer.video) continue;
    // It was asked for, so what the camera refused is the way to send it.
    if (find_codec(offer.encoding_name)) return failure_of(Reason::transport_refused);
    if (!codecs.empty()) codecs += ", ";
    codecs += offer.encoding_name.empty() ? "unknown" : offer.encoding_name;
  }
  if (codecs.empty()) return failure_of(Reason::no_video);
  return {Reason::unsupported_codec,
          "The camera sends its video as " + codecs +
              ", which is not supported: set the camera to H.264, H.265 or JPEG"};
}

}  // namespace

StreamOffer stream_offer(const GstCaps *caps) {
  StreamOffer offer{false, ""};
  if (!caps || gst_caps_get_size(caps) == 0) return offer;
  const auto *fields = gst_caps_get_structure(caps, 0);
  offer.video = g_strcmp0(gst_structure_get_string(fields, "media"), "video") == 0;
  const char *encoding = gst_structure_get_string(fields, "encoding-name");
  if (encoding) offer.encoding_name = encoding;
  return offer;
}

Failure failure_of(Reason reason) {
  switch (reason) {
    case Reason::end_of_stream:
      return {reason,
              "The camera ended the stream: it was switched off, restarted, or another client "
              "took its place"};
    case Reason::connection_lost:
      return {reason, "The connection to the camera broke: check its power and its network"};
    case Reason::connect_failed:
      return {reason, "The camera could not be reached: check its address, power and network"};
    case Reason::unknown_host:
      return {reason,
              "The camera's host name is not known: check the name in location, or use its IP "
              "address"};
    case Reason::connection_refused:
      return {reason,
              "The camera's host refuses the connection: check the port in location, and that "
              "RTSP is enabled on the camera"};
    case Reason::unreachable:
      return {reason,
              "There is no route to the camera: check the network and the address in location"};
    case Reason::no_answer:
      return {reason,
              "The camera does not answer: check the address in location, a firewall between, "
              "and the camera's power; a slow camera needs a longer connect-timeout"};
    case Reason::stalled:
      return {reason, "The camera stopped sending while connected: check its network"};
    case Reason::no_frames:
      return {reason,
              "The camera sends packets, but no frame could be decoded: check its codec settings; "
              "with key frames far apart use a longer first-frame-timeout and decode-timeout"};
    case Reason::untrusted:
      return {reason,
              "The camera's certificate is not trusted: put the authority that signed it into "
              "tls-database, or lower tls-validation-flags"};
    case Reason::unauthorized:
      return {reason, "The camera refuses the user name or password: set user-id and user-pw"};
    case Reason::not_found:
      return {reason, "The camera does not know this stream: check the path in location"};
    case Reason::busy:
      return {reason, "The camera has no session left: close other viewers, or raise its limit"};
    case Reason::refused:
      return {reason, "The camera refuses the request: try another value of protocols"};
    case Reason::no_video:
      return {reason, "The camera offers no video stream: check the path in location"};
    case Reason::unsupported_codec:
      return {reason,
              "The camera's codec is not supported: set the camera to H.264, H.265 or JPEG"};
    case Reason::missing_plugin:
      return {reason, "An element that this camera needs is not installed"};
    case Reason::decoder_failed:
      return {reason, "The decoder failed; it is replaced at the next connection"};
    case Reason::stream_error:
      return {reason, "The camera's stream failed"};
    case Reason::transport_refused:
      return {reason,
              "The camera supports none of the allowed transports: allow more in protocols"};
    case Reason::none:
    case Reason::requested:
      break;
  }
  return {reason, ""};
}

Failure failure_of(GstMessage *message, const std::vector<StreamOffer> &offers) {
  GError *raw_error = nullptr;
  char *raw_debug = nullptr;
  gst_message_parse_error(message, &raw_error, &raw_debug);
  const ErrorPtr error(raw_error);
  const CharPtr debug_owner(raw_debug);
  const std::string debug = raw_debug ? raw_debug : "";
  const std::string text = error->message ? error->message : "";

  Failure failure;
  const unsigned status = rtsp_status(message, debug);
  if (status != 0) {
    failure = failure_of(reason_of_status(status));
    if (failure.reason == Reason::refused)
      failure.sentence = "The camera answers with RTSP status " + std::to_string(status) +
                         ": check the path in location and the camera's settings";
  } else if (error->domain == GST_RESOURCE_ERROR) {
    switch (error->code) {
      case GST_RESOURCE_ERROR_NOT_AUTHORIZED:
        failure = failure_of(Reason::unauthorized);
        break;
      case GST_RESOURCE_ERROR_NOT_FOUND:
        failure = failure_of(Reason::not_found);
        break;
      case GST_RESOURCE_ERROR_OPEN_READ:
        // What rtspsrc says when asked for a password that it does not have.
        failure =
            failure_of(contains(debug, "authentication") ? Reason::unauthorized : Reason::refused);
        break;
      case GST_RESOURCE_ERROR_OPEN_READ_WRITE:
        failure =
            failure_of(contains(debug, "Timeout") ? Reason::no_answer : Reason::connect_failed);
        break;
      case GST_RESOURCE_ERROR_SETTINGS:
        failure = contains(debug, "no streams") ? no_stream(offers) : failure_of(Reason::refused);
        break;
      default:
        failure = failure_of(contains(debug, "no protocols left") ? Reason::refused
                                                                  : Reason::connection_lost);
    }
  } else if (g_error_matches(error.get(), GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND)) {
    failure = no_stream(offers);
  } else if (error->domain == GST_CORE_ERROR && error->code == GST_CORE_ERROR_MISSING_PLUGIN) {
    failure = failure_of(Reason::missing_plugin);
  } else {
    failure = failure_of(Reason::stream_error);
    failure.sentence += ": " + text;
  }
  failure.rtsp_status = status;
  failure.details = text + " " + debug;
  return failure;
}

Failure diagnose_connect(const Endpoint &endpoint, GCancellable *cancellable) {
  const auto client = adopt(g_socket_client_new());
  g_socket_client_set_timeout(client.get(), 2);
  g_socket_client_set_tls(client.get(), endpoint.tls);
  g_signal_connect(client.get(), "event", G_CALLBACK(on_connect_event),
                   const_cast<Endpoint *>(&endpoint));
  GError *raw_error = nullptr;
  const auto connection = adopt(g_socket_client_connect_to_host(client.get(), endpoint.host.c_str(),
                                                                static_cast<guint16>(endpoint.port),
                                                                cancellable, &raw_error));
  const ErrorPtr error(raw_error);
  if (!error) return failure_of(Reason::connect_failed);

  auto reason = Reason::connect_failed;
  if (g_error_matches(error.get(), G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE)) {
    reason = Reason::untrusted;
  } else if (error->domain == G_RESOLVER_ERROR) {
    reason = Reason::unknown_host;
  } else if (error->domain == G_IO_ERROR) {
    switch (error->code) {
      case G_IO_ERROR_CONNECTION_REFUSED:
        reason = Reason::connection_refused;
        break;
      case G_IO_ERROR_HOST_UNREACHABLE:
      case G_IO_ERROR_NETWORK_UNREACHABLE:
        reason = Reason::unreachable;
        break;
      case G_IO_ERROR_TIMED_OUT:
        reason = Reason::no_answer;
        break;
      case G_IO_ERROR_HOST_NOT_FOUND:
        reason = Reason::unknown_host;
        break;
      default:
        break;
    }
  }
  auto failure = failure_of(reason);
  failure.details = error->message;
  return failure;
}

}  // namespace cudacam
