// SPDX-License-Identifier: LGPL-2.1-or-later
/// What leaves the decoder stage: one unbroken stream.
#include <utility>

#include "decode/decoder-stage.hpp"
#include "frame/camera-event.h"

namespace cudacam {

GstPadProbeReturn DecoderStage::output_probe(GstPad *, GstPadProbeInfo *info, gpointer data) {
  auto *self = static_cast<DecoderStage *>(data);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) return self->output_buffer(info);
  return self->output_event(info);
}

GstPadProbeReturn DecoderStage::output_buffer(GstPadProbeInfo *info) {
  BufferPtr buffer(GST_PAD_PROBE_INFO_BUFFER(info));
  bool first, discont;
  Generation from;
  guint64 connection;
  std::string camera;
  {
    std::lock_guard lock(mutex_);
    first = std::exchange(announce_, false);
    discont = std::exchange(discont_, false);
    from = fed_;
    if (first) statistics_.connections++;
    delivering_ = decoder_delivered_ = true;
    statistics_.frames++;
    decoder_frames_++;
    last_frame_ = ReconnectPolicy::Clock::now();
    connection = statistics_.connections;
    camera = settings_.camera;
    buffer.reset(gst_buffer_make_writable(buffer.release()));
    const auto time = GST_BUFFER_PTS_IS_VALID(buffer.get())
                          ? Timeline::Duration(GST_BUFFER_PTS(buffer.get()))
                          : timeline_.latest().value_or(Timeline::Duration::zero());
    pictures_.made(time);
    GST_BUFFER_PTS(buffer.get()) = timeline_.output(time).count();
  }
  if (discont) GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT);
  if (first) {
    gst_pad_push_event(source_,
                       gst_cuda_cam_event_new_camera(camera.c_str(), connection, TRUE, nullptr));
    callbacks_.first_frame(from);
  }
  GST_PAD_PROBE_INFO_DATA(info) = buffer.release();
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn DecoderStage::output_event(GstPadProbeInfo *info) {
  std::lock_guard lock(mutex_);
  switch (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info))) {
    case GST_EVENT_EOS:
      return GST_PAD_PROBE_DROP;  // ours, see drain()
    case GST_EVENT_STREAM_START:
      return std::exchange(stream_started_, true) ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
    case GST_EVENT_SEGMENT:
      return std::exchange(segment_sent_, true) ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
    default:
      return GST_PAD_PROBE_OK;
  }
}

}  // namespace cudacam
