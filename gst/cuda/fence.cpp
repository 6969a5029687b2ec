// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/fence.hpp"

#include <utility>

#include "base/background.hpp"
#include "cuda/order.hpp"

namespace cudacam {
namespace {

/// A host function must not call the driver, and letting go of a buffer may do anything.
Background &releaser() {
  static auto *const background = new Background;
  return *background;
}

}  // namespace

void Fence::wait() {
  {
    const std::lock_guard lock(mutex_);
    if (!in_flight_) return;
  }
  ready_.wait();  // no lock: other readers may ask meanwhile, and the content is not written now
  const std::lock_guard lock(mutex_);
  in_flight_ = ready_pending_ = false;
}

void Fence::wait_on(CUstream stream) {
  const std::lock_guard lock(mutex_);
  if (in_flight_) ready_.wait_on(stream);
}

void Fence::add_reader(CUstream stream) {
  const std::lock_guard lock(mutex_);
  if (!join_) join_.emplace(context_.get(), CU_STREAM_NON_BLOCKING);
  order(stream, join_->handle());
  done_.record(join_->handle());
  done_pending_ = true;
}

bool Fence::ready_passed() {
  if (ready_pending_ && ready_.passed()) ready_pending_ = false;
  return !ready_pending_;
}

bool Fence::done_passed() {
  if (done_pending_ && done_.passed()) done_pending_ = false;
  return !done_pending_;
}

Fence::Pending Fence::pending(CUstream stream) {
  BufferPtr copied;  // dies without the lock: letting go of a buffer may do anything
  const std::lock_guard lock(mutex_);
  if (source_) {
    if (!ready_passed()) return Pending::kSource;
    copied = std::move(source_);  // the driver takes its time to call us
  }
  const bool in_order = stream && stream == writer_;
  return (in_order || ready_passed()) && done_passed() ? Pending::kNothing : Pending::kWork;
}

void Fence::wait_for_work() {
  const std::lock_guard lock(mutex_);
  if (ready_pending_) ready_.wait();
  if (done_pending_) done_.wait();
  ready_pending_ = done_pending_ = false;
}

void Fence::settle() noexcept {
  try {
    wait_for_work();
  } catch (const CudaError &) {
    // Logged where it happened.
  }
}

void Fence::order_writer(CUstream stream) {
  const std::lock_guard lock(mutex_);
  // Both stay pending until they are seen to have passed: the write may never come.
  if (ready_pending_ && stream != writer_) ready_.wait_on(stream);
  if (done_pending_) done_.wait_on(stream);
}

void Fence::begin_write() {
  const std::lock_guard lock(mutex_);
  in_flight_ = false;
}

void Fence::written_on(CUstream stream) {
  const std::lock_guard lock(mutex_);
  ready_.record(stream);
  writer_ = stream;
  in_flight_ = ready_pending_ = true;
}

bool Fence::in_flight() const {
  const std::lock_guard lock(mutex_);
  return in_flight_;
}

void Fence::keep(BufferPtr source, CUstream releases) {
  BufferPtr dropped;  // dies without the lock, as above
  const std::lock_guard lock(mutex_);
  try {
    ready_.wait_on(releases);
    releaser();  // made here rather than on the driver's thread
    driver().cuLaunchHostFunc(releases, on_released, static_cast<void *>(this));
  } catch (const CudaError &) {
    dropped = std::move(source);
    try {
      ready_.wait();
    } catch (const CudaError &) {
      // Then nothing runs any more that could read the source; the first error is the one to tell.
    }
    throw;
  }
  source_ = std::move(source);
  ++releases_due_;
  self_ = shared_from_this();
}

void CUDA_CB Fence::on_released(void *fence) {
  releaser().run([fence] { static_cast<Fence *>(fence)->release_source(); });
}

void Fence::release_source() {
  std::shared_ptr<Fence> self;  // dies last
  BufferPtr source;
  const std::lock_guard lock(mutex_);
  if (--releases_due_) return;  // of a source that is gone already
  self = std::move(self_);
  source = std::move(source_);
}

void Fence::abandon() {
  BufferPtr source;
  const std::lock_guard lock(mutex_);
  source = std::move(source_);
}

}  // namespace cudacam
