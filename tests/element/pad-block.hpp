// SPDX-License-Identifier: LGPL-2.1-or-later
/// A downstream that takes nothing.
#pragma once

#include <gst/gst.h>

#include <atomic>

#include "base/ptr.hpp"

namespace cudacam::test {

/// Holds whoever pushes the next frame through an element's pad, until it is let go.
class PadBlock {
 public:
  PadBlock(GstElement *element, const char *pad)
      : pad_(adopt(gst_element_get_static_pad(element, pad))) {
    probe_ = gst_pad_add_probe(
        pad_.get(), GstPadProbeType(GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER),
        [](GstPad *, GstPadProbeInfo *, gpointer flag) {
          static_cast<std::atomic<bool> *>(flag)->store(true);
          return GST_PAD_PROBE_OK;
        },
        &reached_, nullptr);
  }
  ~PadBlock() { let_go(); }
  PadBlock(const PadBlock &) = delete;
  PadBlock &operator=(const PadBlock &) = delete;

  /// Whether a frame has come so far.
  bool reached() const { return reached_; }
  void let_go() {
    if (probe_) gst_pad_remove_probe(pad_.get(), probe_);
    probe_ = 0;
  }

 private:
  const ObjectPtr<GstPad> pad_;
  std::atomic<bool> reached_{false};
  gulong probe_ = 0;
};

}  // namespace cudacam::test
