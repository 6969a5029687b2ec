// SPDX-License-Identifier: LGPL-2.1-or-later
/// A connection that hangs while it is closed.
#pragma once

#include <gst/gst.h>
#include <gst/rtsp/gstrtspmessage.h>

#include <atomic>
#include <future>

#include "camera-bench.hpp"

namespace cudacam::test {

/// Holds back a TEARDOWN until it is told to let go, as if the connection hung while it is closed.
class TeardownHold {
 public:
  explicit TeardownHold(CameraBench &bench) {
    g_signal_connect(bench.pipeline(), "deep-element-added", G_CALLBACK(on_element), this);
  }
  ~TeardownHold() { let_go(); }
  void let_go() {
    if (!released_.exchange(true)) release_.set_value();
  }
  unsigned held() const { return held_; }

 private:
  static void on_element(GstBin *, GstBin *, GstElement *element, TeardownHold *self) {
    if (g_signal_lookup("before-send", G_OBJECT_TYPE(element)))
      g_signal_connect(element, "before-send", G_CALLBACK(before_send), self);
  }
  static gboolean before_send(GstElement *, GstRTSPMessage *message, TeardownHold *self) {
    GstRTSPMethod method = GST_RTSP_INVALID;
    if (message->type == GST_RTSP_MESSAGE_REQUEST)
      gst_rtsp_message_parse_request(message, &method, nullptr, nullptr);
    if (method == GST_RTSP_TEARDOWN && !self->released_) {
      self->held_++;
      self->released_future_.wait();
    }
    return TRUE;
  }

  std::atomic<bool> released_{false};
  std::atomic<unsigned> held_{0};
  std::promise<void> release_;
  std::shared_future<void> released_future_ = release_.get_future().share();
};

}  // namespace cudacam::test
