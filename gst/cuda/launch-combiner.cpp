// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/launch-combiner.hpp"

#include <array>
#include <exception>
#include <thread>

namespace cudacam {
namespace {

/// A launch takes a few microseconds, and to be woken takes longer: so a thread first looks a few
/// times whether the launch that it waits for has ended.
constexpr int kLooks = 16;

}  // namespace

/// Being inside a launch, for as long as this lives, without the lock.
class LaunchCombiner::Turn {
 public:
  Turn(LaunchCombiner &combiner, Lock &lock, const LaunchTurns::Batch &batch)
      : combiner_(combiner), lock_(lock), batch_(batch) {
    lock_.unlock();
  }
  ~Turn() {
    lock_.lock();
    combiner_.turns_.leave(batch_);
    ++combiner_.left_;
    if (combiner_.asleep_) combiner_.somebody_left_.notify_all();
  }
  Turn(const Turn &) = delete;
  Turn &operator=(const Turn &) = delete;

 private:
  LaunchCombiner &combiner_;
  Lock &lock_;
  const LaunchTurns::Batch batch_;
};

bool LaunchCombiner::run(Job &job) {
  Lock lock(mutex_);
  if (turns_.enter()) {
    const Turn turn(*this, lock, {});
    job.alone();
    return false;
  }
  lock.unlock();
  if (!job.independent()) {
    job.alone();
    return false;
  }
  lock.lock();
  turns_.join(job);
  while (!job.done()) {
    const auto batch = turns_.take();
    if (batch.empty()) {
      await_leaving(lock);
    } else if (batch.size() == 1 && *batch.begin() == &job) {
      const Turn turn(*this, lock, batch);
      job.alone();
      return false;
    } else {
      share(lock, batch);
    }
  }
  lock.unlock();
  if (!job.failed_) return true;
  job.alone();
  return false;
}

void LaunchCombiner::share(Lock &lock, const LaunchTurns::Batch &batch) {
  std::array<Job *, LaunchTurns::kMostCopies> jobs{};
  std::size_t count = 0;
  for (auto *entry : batch) jobs[count++] = static_cast<Job *>(entry);
  const Turn turn(*this, lock, batch);
  try {
    together(jobs.data(), count);
    ++shared_launches_;
    shared_copies_ += count;
  } catch (const std::exception &) {
    // Which is said by who throws it. What each of them says when it is tried alone is its own.
    for (std::size_t i = 0; i < count; ++i) jobs[i]->failed_ = true;
  }
}

/// Waits until somebody who is inside has left; somebody else may be inside then.
void LaunchCombiner::await_leaving(Lock &lock) {
  const auto before = left_.load();
  lock.unlock();
  for (int look = 0; look < kLooks && left_ == before; ++look) std::this_thread::yield();
  lock.lock();
  ++asleep_;
  somebody_left_.wait(lock, [&] { return left_ != before; });
  --asleep_;
}

unsigned LaunchCombiner::waiting() const {
  const std::lock_guard lock(mutex_);
  return turns_.waiting();
}

}  // namespace cudacam
