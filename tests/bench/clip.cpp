// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clip.hpp"

#include <stdexcept>

namespace cudacam::bench {
namespace {

constexpr GstClockTime kFrame = GST_SECOND / 30;

void play_to_end(GstElement *pipeline) {
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  const auto bus = adopt(gst_element_get_bus(pipeline));
  const MessagePtr message(gst_bus_timed_pop_filtered(
      bus.get(), 300 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  gst_element_set_state(pipeline, GST_STATE_NULL);
  if (!message || GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_EOS)
    throw std::runtime_error("the film could not be encoded");
}

GstPadProbeReturn keep(GstPad *pad, GstPadProbeInfo *info, gpointer user_data) {
  auto *clip = static_cast<Clip *>(user_data);
  if (!clip->caps) clip->caps.reset(gst_pad_get_current_caps(pad));
  clip->pictures.push_back(share(GST_PAD_PROBE_INFO_BUFFER(info)));
  return GST_PAD_PROBE_OK;
}

}  // namespace

Clip encode_clip(int width, int height, int frames) {
  const std::string launch =
      "videotestsrc pattern=ball num-buffers=" + std::to_string(frames) +
      " ! video/x-raw,format=I420,framerate=30/1,width=" + std::to_string(width) +
      ",height=" + std::to_string(height) +
      " ! x264enc speed-preset=ultrafast tune=zerolatency bitrate=4000 key-int-max=30"
      " ! video/x-h264,profile=main ! h264parse config-interval=-1"
      " ! video/x-h264,stream-format=byte-stream,alignment=au ! fakesink name=end sync=false";
  GError *raw_error = nullptr;
  const auto pipeline = sink(gst_parse_launch(launch.c_str(), &raw_error));
  if (const ErrorPtr error(raw_error); error) throw std::runtime_error(error->message);
  Clip clip;
  const auto end = adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), "end"));
  const auto pad = adopt(gst_element_get_static_pad(end.get(), "sink"));
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, keep, &clip, nullptr);
  play_to_end(pipeline.get());
  return clip;
}

ClipPlayer::ClipPlayer(GstElement *appsrc, const Clip &clip) : appsrc_(share(appsrc)), clip_(clip) {
  g_object_set(appsrc, "caps", clip.caps.get(), "format", GST_FORMAT_TIME, "max-bytes",
               guint64{1 << 20}, nullptr);
  handler_ = g_signal_connect(appsrc, "need-data", G_CALLBACK(need_data), this);
}

ClipPlayer::~ClipPlayer() {
  g_signal_handler_disconnect(appsrc_.get(), handler_);
}

// On the source's own thread.
void ClipPlayer::need_data(GstElement *appsrc, guint, gpointer user_data) {
  auto *self = static_cast<ClipPlayer *>(user_data);
  const auto &pictures = self->clip_.pictures;
  const BufferPtr picture(gst_buffer_copy(pictures[self->played_ % pictures.size()].get()));
  GST_BUFFER_PTS(picture.get()) = GST_BUFFER_DTS(picture.get()) = self->played_ * kFrame;
  GST_BUFFER_DURATION(picture.get()) = kFrame;
  ++self->played_;
  GstFlowReturn flow = GST_FLOW_OK;
  g_signal_emit_by_name(appsrc, "push-buffer", picture.get(), &flow);
}

}  // namespace cudacam::bench
