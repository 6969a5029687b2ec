// SPDX-License-Identifier: LGPL-2.1-or-later
/// Moves the streams that reach a sink pad so that running time never goes back, by the pad's
/// offset.
#pragma once

#include <gst/gst.h>

#include "lease/continuity.hpp"

namespace cudacam {

/// On the streaming thread of the pad alone.
class StreamJoint {
 public:
  /// Each downstream event that the element sees, with the offset in it. `active`: streams are
  /// moved; otherwise a stream is left as it is.
  void see(GstPad *pad, GstEvent *event, bool active);
  /// Each frame, before the element sees it; may send a segment to `pad`. `now`: running time of
  /// the clock, or none.
  void see(GstPad *pad, GstBuffer *frame, GstClockTime now);

 private:
  void offset(GstPad *pad, gint64 ours);

  Continuity continuity_;
  GstSegment segment_{};  // format undefined: none yet
  gint64 ours_ = 0;       // of the pad's offset; the rest is the application's
};

}  // namespace cudacam
