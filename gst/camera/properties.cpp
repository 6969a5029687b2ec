// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera/properties.hpp"

#include "base/ptr.hpp"
#include "ingest/location.hpp"
#include "ingest/reconnect-policy.hpp"

namespace cudacam {
namespace {

std::string string_of(const GValue *value) {
  const char *text = g_value_get_string(value);
  return text ? text : "";
}

}  // namespace

GType status_get_type() {
  static const GType type = [] {
    static GEnumValue values[] = {
        {int(Status::stopped), "Not in PLAYING", nick(Status::stopped)},
        {int(Status::connecting), "Waiting for the camera's first packet",
         nick(Status::connecting)},
        {int(Status::waiting_first_frame), "Packets arrive, no frame was decoded yet",
         nick(Status::waiting_first_frame)},
        {int(Status::streaming), "Frames flow", nick(Status::streaming)},
        {int(Status::closing), "Letting go of a lost connection", nick(Status::closing)},
        {int(Status::backoff), "Waiting before the next attempt", nick(Status::backoff)},
        {int(Status::failed), "Cannot run or has given up; an error message says why",
         nick(Status::failed)},
        {0, nullptr, nullptr}};
    return g_enum_register_static("GstCudaCamSrcStatus", values);
  }();
  return type;
}

GParamSpec *install_properties(GObjectClass *object) {
  const Settings defaults;
  constexpr auto any_time = GParamFlags(GST_PARAM_MUTABLE_PLAYING | G_PARAM_STATIC_STRINGS);
  constexpr auto writable = GParamFlags(any_time | G_PARAM_READWRITE);
  constexpr auto readable = GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  const auto string = [&](guint id, const char *name, const char *nick, const char *blurb,
                          GParamFlags flags) {
    g_object_class_install_property(object, id,
                                    g_param_spec_string(name, nick, blurb, nullptr, flags));
  };
  const auto time = [&](guint id, const char *name, const char *nick, const char *blurb,
                        GstClockTime least, GstClockTime value) {
    g_object_class_install_property(
        object, id,
        g_param_spec_uint64(name, nick, blurb, least, 86400 * GST_SECOND, value, writable));
  };
  string(
      PROP_LOCATION, "location", "Location",
      "RTSP URL of the camera, rtsp:// or rtsps://; reads back without credentials; changed while "
      "PLAYING it holds from the next connection on",
      writable);
  g_object_class_install_property(
      object, PROP_PROTOCOLS,
      g_param_spec_flags(
          "protocols", "Protocols",
          "Transports allowed, tried one at a time in the order tcp, udp, udp-mcast, "
          "http until the camera takes one; from the next connection on",
          GST_TYPE_RTSP_LOWER_TRANS, defaults.protocols, writable));
  g_object_class_install_property(
      object, PROP_LATENCY,
      g_param_spec_uint("latency", "Latency",
                        "Size of the jitter buffer, in milliseconds; from the next connection on",
                        0, 60000, defaults.latency, writable));
  string(PROP_USER_ID, "user-id", "User",
         "User name, instead of the one in location; from the next connection on", writable);
  string(PROP_USER_PW, "user-pw", "Password",
         "Password, instead of the one in location; cannot be read; from the next connection on",
         GParamFlags(any_time | G_PARAM_WRITABLE));
  g_object_class_install_property(
      object, PROP_TLS_VALIDATION_FLAGS,
      g_param_spec_flags("tls-validation-flags", "TLS validation flags",
                         "What must be right about the certificate of an rtsps:// camera; from the "
                         "next connection on",
                         G_TYPE_TLS_CERTIFICATE_FLAGS, defaults.tls_validation_flags, writable));
  g_object_class_install_property(
      object, PROP_TLS_DATABASE,
      g_param_spec_object("tls-database", "TLS database",
                          "Certificate authorities to trust instead of the system's; from the next "
                          "connection on",
                          G_TYPE_TLS_DATABASE, writable));
  time(PROP_CONNECT_TIMEOUT, "connect-timeout", "Connect timeout",
       "Reconnect when no packet arrived for this long after the attempt's start, in nanoseconds",
       GST_MSECOND, defaults.connect_timeout);
  time(PROP_FIRST_FRAME_TIMEOUT, "first-frame-timeout", "First frame timeout",
       "Reconnect when no frame was decoded for this long after the connection's first packet, in "
       "nanoseconds",
       GST_MSECOND, defaults.first_frame_timeout);
  time(PROP_STALL_TIMEOUT, "stall-timeout", "Stall timeout",
       "Reconnect when no packet arrived for this long, in nanoseconds (0: never)", 0,
       defaults.stall_timeout);
  time(PROP_DECODE_TIMEOUT, "decode-timeout", "Decode timeout",
       "Reconnect when packets arrive, but no frame was decoded for this long since the last one, "
       "in nanoseconds (0: never)",
       0, defaults.decode_timeout);
  time(
      PROP_TEARDOWN_TIMEOUT, "teardown-timeout", "Teardown timeout",
      "How long a camera may take to answer TEARDOWN, in nanoseconds; half a second later the next "
      "connection no longer waits for the old one; from the next connection on",
      GST_MSECOND, defaults.teardown_timeout);
  g_object_class_install_property(
      object, PROP_MAX_QUARANTINED,
      g_param_spec_uint("max-quarantined", "Most quarantined connections",
                        "Connections that may hang while they are closed before no new one is "
                        "opened",
                        1, 1000, defaults.max_quarantined, writable));
  time(PROP_RETRY_MIN_DELAY, "retry-min-delay", "Shortest retry delay",
       "First delay of the exponential backoff after a lost link, in nanoseconds", GST_MSECOND,
       defaults.retry_min_delay);
  time(
      PROP_RETRY_MAX_DELAY, "retry-max-delay", "Longest retry delay",
      "Longest delay of the backoff after a lost link, in nanoseconds; refusals by the camera "
      "wait up to 6 times as long. When frames have flowed for half of it, the first attempt after "
      "a lost link is made at once",
      GST_MSECOND, defaults.retry_max_delay);
  g_object_class_install_property(
      object, PROP_RETRY_ATTEMPTS,
      g_param_spec_int(
          "retry-attempts", "Retry attempts",
          "Attempts after a failure until a frame comes; when they are used up, status "
          "becomes failed (-1: for ever)",
          -1, G_MAXINT, defaults.retry_attempts, writable));
  time(PROP_RETRY_TIMEOUT, "retry-timeout", "Retry timeout",
       "Longest outage, in nanoseconds; after it, status becomes failed (0: for ever)", 0,
       defaults.retry_timeout);
  string(PROP_DECODER, "decoder", "Decoder",
         "Name of the decoder element, empty: the best one installed; from the next connection on",
         writable);
  string(PROP_CAMERA_NAME, "camera-name", "Camera name",
         "Name in messages, events and frame metas; the element's name when not set; from the next "
         "connection on",
         writable);
  auto *status = g_param_spec_enum("status", "Status", "What the camera is doing",
                                   status_get_type(), int(Status::stopped), readable);
  g_object_class_install_property(object, PROP_STATUS, status);
  g_object_class_install_property(
      object, PROP_STATISTICS,
      g_param_spec_boxed("statistics", "Statistics",
                         "Outages, retries, connections and frames since READY", GST_TYPE_STRUCTURE,
                         readable));
  return status;
}

bool set_property(Settings &settings, guint id, const GValue *value) {
  switch (id) {
    case PROP_LOCATION:
      settings.location = string_of(value);
      break;
    case PROP_PROTOCOLS:
      settings.protocols = g_value_get_flags(value);
      break;
    case PROP_LATENCY:
      settings.latency = g_value_get_uint(value);
      break;
    case PROP_USER_ID:
      settings.user = string_of(value);
      break;
    case PROP_USER_PW:
      settings.password = string_of(value);
      break;
    case PROP_TLS_VALIDATION_FLAGS:
      settings.tls_validation_flags = GTlsCertificateFlags(g_value_get_flags(value));
      break;
    case PROP_TLS_DATABASE:
      settings.tls_database = share(static_cast<GTlsDatabase *>(g_value_get_object(value)));
      break;
    case PROP_CONNECT_TIMEOUT:
      settings.connect_timeout = g_value_get_uint64(value);
      break;
    case PROP_FIRST_FRAME_TIMEOUT:
      settings.first_frame_timeout = g_value_get_uint64(value);
      break;
    case PROP_STALL_TIMEOUT:
      settings.stall_timeout = g_value_get_uint64(value);
      break;
    case PROP_DECODE_TIMEOUT:
      settings.decode_timeout = g_value_get_uint64(value);
      break;
    case PROP_TEARDOWN_TIMEOUT:
      settings.teardown_timeout = g_value_get_uint64(value);
      break;
    case PROP_MAX_QUARANTINED:
      settings.max_quarantined = g_value_get_uint(value);
      break;
    case PROP_RETRY_MIN_DELAY:
      settings.retry_min_delay = g_value_get_uint64(value);
      break;
    case PROP_RETRY_MAX_DELAY:
      settings.retry_max_delay = g_value_get_uint64(value);
      break;
    case PROP_RETRY_ATTEMPTS:
      settings.retry_attempts = g_value_get_int(value);
      break;
    case PROP_RETRY_TIMEOUT:
      settings.retry_timeout = g_value_get_uint64(value);
      break;
    case PROP_DECODER:
      settings.decoder = string_of(value);
      break;
    case PROP_CAMERA_NAME:
      settings.camera = string_of(value);
      break;
    default:
      return false;
  }
  return true;
}

bool get_property(const Settings &settings, guint id, GValue *value) {
  switch (id) {
    case PROP_LOCATION:
      g_value_set_string(value, redact(settings.location).c_str());
      break;
    case PROP_PROTOCOLS:
      g_value_set_flags(value, settings.protocols);
      break;
    case PROP_LATENCY:
      g_value_set_uint(value, settings.latency);
      break;
    case PROP_USER_ID:
      g_value_set_string(value, settings.user.c_str());
      break;
    case PROP_TLS_VALIDATION_FLAGS:
      g_value_set_flags(value, settings.tls_validation_flags);
      break;
    case PROP_TLS_DATABASE:
      g_value_set_object(value, settings.tls_database.get());
      break;
    case PROP_CONNECT_TIMEOUT:
      g_value_set_uint64(value, settings.connect_timeout);
      break;
    case PROP_FIRST_FRAME_TIMEOUT:
      g_value_set_uint64(value, settings.first_frame_timeout);
      break;
    case PROP_STALL_TIMEOUT:
      g_value_set_uint64(value, settings.stall_timeout);
      break;
    case PROP_DECODE_TIMEOUT:
      g_value_set_uint64(value, settings.decode_timeout);
      break;
    case PROP_TEARDOWN_TIMEOUT:
      g_value_set_uint64(value, settings.teardown_timeout);
      break;
    case PROP_MAX_QUARANTINED:
      g_value_set_uint(value, settings.max_quarantined);
      break;
    case PROP_RETRY_MIN_DELAY:
      g_value_set_uint64(value, settings.retry_min_delay);
      break;
    case PROP_RETRY_MAX_DELAY:
      g_value_set_uint64(value, settings.retry_max_delay);
      break;
    case PROP_RETRY_ATTEMPTS:
      g_value_set_int(value, settings.retry_attempts);
      break;
    case PROP_RETRY_TIMEOUT:
      g_value_set_uint64(value, settings.retry_timeout);
      break;
    case PROP_CAMERA_NAME:
      g_value_set_string(value, settings.camera.c_str());
      break;
    case PROP_DECODER:
      g_value_set_string(value, settings.decoder.c_str());
      break;
    default:
      return false;
  }
  return true;
}

bool is_limit(guint id) {
  switch (id) {
    case PROP_CONNECT_TIMEOUT:
    case PROP_FIRST_FRAME_TIMEOUT:
    case PROP_STALL_TIMEOUT:
    case PROP_DECODE_TIMEOUT:
    case PROP_RETRY_MIN_DELAY:
    case PROP_RETRY_MAX_DELAY:
    case PROP_RETRY_ATTEMPTS:
    case PROP_RETRY_TIMEOUT:
      return true;
    default:
      return false;
  }
}

}  // namespace cudacam
