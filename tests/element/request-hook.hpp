// SPDX-License-Identifier: LGPL-2.1-or-later
/// What happens just before a camera is asked for something.
#pragma once

#include <gst/gst.h>
#include <gst/rtsp/gstrtspmessage.h>

#include <functional>

#include "camera-bench.hpp"

namespace cudacam::test {

/// Calls `function`, on rtspsrc's thread, before each request to the bench's camera is sent. To be
/// made before the bench plays; outlives its connections.
class RequestHook {
 public:
  using Function = std::function<void(GstRTSPMethod)>;

  RequestHook(CameraBench &bench, Function function) : function_(std::move(function)) {
    g_signal_connect(bench.pipeline(), "deep-element-added", G_CALLBACK(on_element), this);
  }
  RequestHook(const RequestHook &) = delete;
  RequestHook &operator=(const RequestHook &) = delete;

 private:
  static void on_element(GstBin *, GstBin *, GstElement *element, RequestHook *self) {
    if (g_signal_lookup("before-send", G_OBJECT_TYPE(element)))
      g_signal_connect(element, "before-send", G_CALLBACK(before_send), self);
  }
  static gboolean before_send(GstElement *, GstRTSPMessage *message, RequestHook *self) {
    GstRTSPMethod method = GST_RTSP_INVALID;
    if (message->type == GST_RTSP_MESSAGE_REQUEST)
      gst_rtsp_message_parse_request(message, &method, nullptr, nullptr);
    if (method != GST_RTSP_INVALID) self->function_(method);
    return TRUE;
  }

  const Function function_;
};

}  // namespace cudacam::test
