// SPDX-License-Identifier: LGPL-2.1-or-later
/// A thread that stands for inference and trusts nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/ptr.hpp"
#include "examiner.hpp"
#include "frame-judge.hpp"
#include "gap-book.hpp"

namespace cudacam::soak {

using LeasePtr = std::unique_ptr<GstCudaCamLease, FreeWith<gst_cuda_cam_lease_unref>>;

/// A lease that its reader never gave back, and what the frame looked like then.
struct Forgotten {
  LeasePtr lease;
  Look look;
};

class SoakReader {
 public:
  struct Settings {
    std::string holder;
    std::chrono::milliseconds hold{0};  ///< how long each frame is held
    unsigned queue = 0;                 ///< frames that wait for it; 0: it gets the newest
    bool releases_early = false;        ///< while the GPU still reads the frame
    unsigned forgets = 0;               ///< leases that it never gives back
    bool spoils = false;                ///< writes to a frame that it holds, once
    std::string kernels;                ///< see Examiner
  };

  /// `lender` and `shared` outlive it.
  SoakReader(GstCudaCamLender *lender, SharedSums &shared, Settings settings);
  ~SoakReader();  // stops and joins
  SoakReader(const SoakReader &) = delete;
  SoakReader &operator=(const SoakReader &) = delete;

  void stop();  ///< and joins; the results stay

  GapBook &gaps() { return gaps_; }
  /// Whether it ever got a good frame. Any thread.
  bool has_frame() const { return has_frame_; }

  /// After stop().
  const Verdicts &verdicts() const { return judge_.verdicts(); }
  const std::vector<std::string> &explanations() const { return judge_.explanations(); }
  /// Of the call that ended the reader, which nothing should; empty when there was none.
  const std::string &failure() const { return failure_; }
  unsigned cuda_errors() const { return cuda_errors_; }
  std::size_t forgotten() const { return forgotten_.size(); }
  std::vector<Forgotten> take_forgotten() { return std::move(forgotten_); }

 private:
  void run();
  LeasePtr acquire();
  void read(LeasePtr lease);

  GstCudaCamLender *const lender_;
  const Settings settings_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> has_frame_{false};
  GapBook gaps_;

  // The reader's thread only, until it is joined.
  Examiner examiner_;
  FrameJudge judge_;
  std::vector<Forgotten> forgotten_;
  std::string failure_;
  unsigned cuda_errors_ = 0;
  std::uint64_t frames_ = 0;
  GstCudaCamHolder *holder_ = nullptr;

  std::thread thread_;
};

}  // namespace cudacam::soak
