// SPDX-License-Identifier: LGPL-2.1-or-later
/// Copies that are wanted while a few others are being launched share the next launch. For threads,
/// and without CUDA.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "cuda/launch-turns.hpp"

namespace cudacam {

class LaunchCombiner {
 public:
  /// One copy, of the thread that calls run().
  class Job : public LaunchTurns::Entry {
   public:
    using Entry::Entry;
    virtual ~Job() = default;
    /// Whether all that the copy has to wait for on the GPU has passed: only then may it share a
    /// stream with others. Asked only when there is no room for a launch of its own.
    virtual bool independent() = 0;
    /// Launches it where it would go without all this. May throw; then run() does.
    virtual void alone() = 0;

   private:
    friend class LaunchCombiner;
    bool failed_ = false;
  };

  /// As many launches at a time; see LaunchTurns.
  explicit LaunchCombiner(unsigned most_inside = LaunchTurns::kMostInside) : turns_(most_inside) {}
  virtual ~LaunchCombiner() = default;
  LaunchCombiner(const LaunchCombiner &) = delete;
  LaunchCombiner &operator=(const LaunchCombiner &) = delete;

  /// Launches the job: alone when few others launch, which costs a lock; else together with all
  /// that wait then, by this thread or another. Returns whether it shared a launch. When a shared
  /// launch fails, each of its jobs is launched once more, alone, by its own thread.
  bool run(Job &job);

  /// Copies that wait now; launches that were shared, and the copies in them, so far. Any thread.
  unsigned waiting() const;
  std::uint64_t shared_launches() const { return shared_launches_; }
  std::uint64_t shared_copies() const { return shared_copies_; }

 protected:
  /// Launches all of them; when it throws, none was. On the thread of one of them.
  virtual void together(Job *const *jobs, std::size_t count) = 0;

 private:
  class Turn;
  using Lock = std::unique_lock<std::mutex>;
  void share(Lock &lock, const LaunchTurns::Batch &batch);
  void await_leaving(Lock &lock);

  mutable std::mutex mutex_;  // guards what follows; never held while anything is launched
  std::condition_variable somebody_left_;
  LaunchTurns turns_;
  unsigned asleep_ = 0;
  std::atomic<std::uint32_t> left_{0};  // how often somebody did; written under the lock
  std::atomic<std::uint64_t> shared_launches_{0}, shared_copies_{0};
};

}  // namespace cudacam
