// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera/announcer.hpp"

#include <utility>

#include "ingest/location.hpp"

GST_DEBUG_CATEGORY_EXTERN(cudacamsrc_debug);
#define GST_CAT_DEFAULT cudacamsrc_debug

namespace cudacam {

void Announcer::introduce(const std::string &camera, std::vector<std::string> secrets) {
  camera_ = camera;
  secrets_ = std::move(secrets);
}

void Announcer::status(Status now, Status before, Reason reason, unsigned retries,
                       GstClockTime delay) {
  GST_INFO_OBJECT(element_, "%s -> %s (%s), retry %u, delay %" GST_TIME_FORMAT, nick(before),
                  nick(now), nick(reason), retries, GST_TIME_ARGS(delay));
  gst_element_post_message(
      element_,
      gst_message_new_element(
          GST_OBJECT(element_),
          gst_structure_new("cudacam-status", "camera", G_TYPE_STRING, camera_.c_str(), "status",
                            G_TYPE_STRING, nick(now), "previous", G_TYPE_STRING, nick(before),
                            "reason", G_TYPE_STRING, nick(reason), "retries", G_TYPE_UINT, retries,
                            "delay", G_TYPE_UINT64, delay, nullptr)));
}

void Announcer::warn(const Failure &failure) {
  gst_element_message_full_with_details(
      element_, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
      g_strdup(sentence(failure.sentence).c_str()),
      g_strdup(redacted(failure.details + " (retrying)").c_str()), __FILE__, "warn", __LINE__,
      gst_structure_new("cudacam-failure", "camera", G_TYPE_STRING, camera_.c_str(), "reason",
                        G_TYPE_STRING, nick(failure.reason), "rtsp-status-code", G_TYPE_UINT,
                        failure.rtsp_status, nullptr));
}

void Announcer::fail(const ElementError &error) {
  gst_element_message_full(element_, GST_MESSAGE_ERROR, error.domain(), error.code(),
                           g_strdup(sentence(error.what()).c_str()),
                           g_strdup(redacted(error.details()).c_str()), __FILE__, "fail", __LINE__);
}

std::string Announcer::redacted(const std::string &text) const {
  return redact(text, secrets_);
}

std::string Announcer::sentence(const std::string &text) const {
  return redacted("Camera " + camera_ + ": " + text);
}

}  // namespace cudacam
