// SPDX-License-Identifier: LGPL-2.1-or-later
/// A thread that stands for inference: takes leases on a camera's frames and verifies each.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "camera-record.hpp"
#include "frame-checker.hpp"
#include "gstcudacam.h"

namespace cudacam::demo {

class FrameReader {
 public:
  struct Settings {
    std::string holder;
    /// How long a lease is held; longer than a frame lasts means that frames are skipped.
    std::chrono::milliseconds work{0};
    /// Whether the camera numbers its frames. Of others it can only be said that they come in the
    /// pool's order and do not change while they are held.
    bool numbered = true;
  };

  /// `lender` and `record` outlive the reader.
  FrameReader(GstCudaCamLender *lender, CameraRecord &record, Settings settings);
  ~FrameReader();  // stops and joins
  FrameReader(const FrameReader &) = delete;
  FrameReader &operator=(const FrameReader &) = delete;

 private:
  void run();
  void read(GstCudaCamLease *lease);
  void judge_number(const test::FrameReading &reading);
  void judge_order(GstCudaCamLease *lease);
  void bad(const std::string &what);

  GstCudaCamLender *const lender_;
  CameraRecord &record_;
  const Settings settings_;
  std::atomic<bool> stop_{false};
  test::FrameChecker checker_;  // the reader's thread only, like the next
  std::optional<guint64> last_sequence_;
  std::thread thread_;
};

}  // namespace cudacam::demo
