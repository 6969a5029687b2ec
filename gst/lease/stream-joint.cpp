// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/stream-joint.hpp"

GST_DEBUG_CATEGORY_EXTERN(cudacamsink_debug);
#define GST_CAT_DEFAULT cudacamsink_debug

namespace cudacam {

void StreamJoint::offset(GstPad *pad, gint64 ours) {
  gst_pad_set_offset(pad, gst_pad_get_offset(pad) - ours_ + ours);
  ours_ = ours;
}

void StreamJoint::see(GstPad *pad, GstEvent *event, bool active) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
    gst_event_copy_segment(event, &segment_);
    return;
  }
  if (GST_EVENT_TYPE(event) != GST_EVENT_STREAM_START) return;
  segment_.format = GST_FORMAT_UNDEFINED;
  if (ours_) offset(pad, 0);
  if (active) continuity_.begin();
}

void StreamJoint::see(GstPad *pad, GstBuffer *frame, GstClockTime now) {
  if (segment_.format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID(frame)) return;
  const auto running_time = [&](GstClockTime position) {
    guint64 time = 0;
    const auto sign = gst_segment_to_running_time_full(&segment_, GST_FORMAT_TIME, position, &time);
    return Continuity::Time(sign < 0 ? -static_cast<gint64>(time) : static_cast<gint64>(time));
  };
  const auto clock = GST_CLOCK_TIME_IS_VALID(now) ? static_cast<gint64>(now) : 0;
  const auto shift =
      continuity_.shift(running_time(GST_BUFFER_PTS(frame)), Continuity::Time(clock)).count();
  if (shift) {
    GST_DEBUG_OBJECT(pad, "the stream is moved by %" G_GINT64_FORMAT " ns", shift);
    // An offset of a sink pad is for segments to come: this one once more.
    GstSegment segment = segment_;
    gst_segment_offset_running_time(&segment, GST_FORMAT_TIME, -gst_pad_get_offset(pad));
    offset(pad, ours_ + shift);
    gst_pad_send_event(pad, gst_event_new_segment(&segment));
  }
  const auto length = GST_BUFFER_DURATION_IS_VALID(frame) ? GST_BUFFER_DURATION(frame) : 0;
  continuity_.passed(running_time(GST_BUFFER_PTS(frame) + length));
}

}  // namespace cudacam
