// SPDX-License-Identifier: LGPL-2.1-or-later
/// cudacamsrc ! cudacampool ! cudacamsink for one camera, as an application would build it.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/ptr.hpp"
#include "gstcudacam.h"

namespace cudacam::demo {

struct PipelineStatus {
  std::string status;  ///< of cudacamsrc
  std::uint64_t outages = 0;
  std::uint64_t retries = 0;
  std::uint64_t frames = 0;  ///< that reached cudacamsink
  std::string last_error;    ///< of cudacamsrc; empty when there was none
  unsigned outstanding = 0;  ///< leases out now
};

class CameraPipeline {
 public:
  /// Throws std::runtime_error when an element is missing or does not start.
  CameraPipeline(const std::string &name, const std::string &location);
  ~CameraPipeline();
  CameraPipeline(const CameraPipeline &) = delete;
  CameraPipeline &operator=(const CameraPipeline &) = delete;

  void play();
  void stop();

  const std::string &name() const { return name_; }
  GstCudaCamLender *lender() const { return GST_CUDA_CAM_LENDER(sink_.get()); }
  PipelineStatus status() const;
  /// What ended the pipeline, which nothing should; empty while it runs. Main thread.
  std::string failure();

  /// Factory of the decoder in use, such as "nvh264dec"; empty before there is one.
  std::string decoder() const;
  bool frames_on_gpu() const;

 private:
  const std::string name_;
  ObjectPtr<GstElement> pipeline_;
  ObjectPtr<GstElement> source_;
  ObjectPtr<GstElement> sink_;
  std::string failure_;
};

}  // namespace cudacam::demo
