// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/leaving.hpp"

#include <utility>

#include "base/background.hpp"

namespace cudacam {
namespace {

Background &thread() {
  static auto *const background = new Background;
  return *background;
}

}  // namespace

gsize Leaving::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void Leaving::open() {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(open_, true)) ++session_;
}

void Leaving::close() {
  const std::lock_guard lock(mutex_);
  open_ = false;
}

unsigned Leaving::session() const {
  const std::lock_guard lock(mutex_);
  return session_;
}

bool Leaving::run_in(unsigned session, gsize bytes, const std::function<void()> &free) {
  {
    const std::lock_guard lock(mutex_);
    if (!open_ || session != session_) return false;
    bytes_ += bytes;  // before anybody who closes looks
    ++jobs_;
  }
  start(bytes, free);
  return true;
}

void Leaving::run(gsize bytes, std::function<void()> free) {
  {
    const std::lock_guard lock(mutex_);
    bytes_ += bytes;
    ++jobs_;
  }
  start(bytes, std::move(free));
}

void Leaving::start(gsize bytes, std::function<void()> free) {
  thread().run([self = shared_from_this(), bytes, work = std::move(free)]() mutable {
    work();
    work = nullptr;  // what it kept goes, too, before all is said to be gone
    const std::lock_guard lock(self->mutex_);
    self->bytes_ -= bytes;
    --self->jobs_;
    self->changed_.notify_all();
  });
}

bool Leaving::wait(std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [this] { return jobs_ == 0; });
}

}  // namespace cudacam
