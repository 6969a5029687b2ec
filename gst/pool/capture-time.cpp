// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/capture-time.hpp"

namespace cudacam {
namespace {

constexpr GstClockTime kNtpToUnix = G_GUINT64_CONSTANT(2208988800) * GST_SECOND;  // 1900 to 1970

GstClockTime timestamp(GstBuffer *frame, GstStaticCaps *reference) {
  auto *caps = gst_static_caps_get(reference);
  const auto *meta = gst_buffer_get_reference_timestamp_meta(frame, caps);
  gst_caps_unref(caps);
  return meta ? meta->timestamp : GST_CLOCK_TIME_NONE;
}

}  // namespace

GstClockTime capture_time(GstBuffer *frame) {
  static GstStaticCaps unix_time = GST_STATIC_CAPS("timestamp/x-unix");
  static GstStaticCaps ntp_time = GST_STATIC_CAPS("timestamp/x-ntp");
  if (!gst_buffer_get_reference_timestamp_meta(frame, nullptr)) return GST_CLOCK_TIME_NONE;
  const auto seconds = timestamp(frame, &unix_time);
  if (GST_CLOCK_TIME_IS_VALID(seconds)) return seconds;
  const auto ntp = timestamp(frame, &ntp_time);
  return GST_CLOCK_TIME_IS_VALID(ntp) && ntp >= kNtpToUnix ? ntp - kNtpToUnix : GST_CLOCK_TIME_NONE;
}

}  // namespace cudacam
