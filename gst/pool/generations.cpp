// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/generations.hpp"

#include <algorithm>
#include <utility>

namespace cudacam {
namespace {

constexpr std::chrono::seconds kAskAgain{1};
constexpr std::chrono::seconds kLastPatience{1};
constexpr std::chrono::milliseconds kPatience{
    100};  // a few frames, which would be dropped otherwise

}  // namespace

bool same_pictures(const GstVideoInfo &a, const GstVideoInfo &b) {
  return GST_VIDEO_INFO_FORMAT(&a) == GST_VIDEO_INFO_FORMAT(&b) &&
         GST_VIDEO_INFO_WIDTH(&a) == GST_VIDEO_INFO_WIDTH(&b) &&
         GST_VIDEO_INFO_HEIGHT(&a) == GST_VIDEO_INFO_HEIGHT(&b);
}

void Generations::change(std::shared_ptr<Backend> backend, const GstVideoInfo &info,
                         const Wish &wish) {
  leaving_->open();
  close();
  auto again = take_earlier(*backend, info);
  info_ = info;
  frame_bytes_ = again ? again->frame_bytes() : info.size;
  refused_.reset();
  std::lock_guard lock(mutex_);
  wish_ = wish;
  ++number_;
  if (again) again->reinstate(number_);
  current_ = std::move(again);
  backend_ = std::move(backend);
}

void Generations::close() {
  std::shared_ptr<Store> store;
  std::shared_ptr<Backend> backend;  // both end after the lock is gone
  {
    std::lock_guard lock(mutex_);
    store = std::exchange(current_, nullptr);
    backend = std::exchange(backend_, nullptr);
    auto &all = earlier_;
    all.erase(std::remove_if(all.begin(), all.end(),
                             [](const Earlier &gone) { return gone.store.expired(); }),
              all.end());
    if (store) all.push_back({store, backend});
  }
  if (store) store->supersede();
  if (backend && backend->ending_waits()) leaving_->run(0, [ended = std::move(backend)] {});
}

void Generations::settle() const {
  trim_earlier();  // no frame comes any more that would do it
  leaving_->close();
  leaving_->wait(kLastPatience);
}

/// A store of an earlier generation that frames of `info` may go to again, or null.
std::shared_ptr<Store> Generations::take_earlier(const Backend &backend, const GstVideoInfo &info) {
  std::vector<std::shared_ptr<Store>> looked_at;  // any may end here, after the lock is gone
  std::lock_guard lock(mutex_);
  for (auto it = earlier_.begin(); it != earlier_.end(); ++it) {
    auto store = it->store.lock();
    if (!store) continue;
    looked_at.push_back(store);
    if (it->backend.lock().get() != &backend || !same_pictures(store->layout(), info)) continue;
    earlier_.erase(it);
    return store;
  }
  return nullptr;
}

bool Generations::full() const {
  {
    std::lock_guard lock(mutex_);
    if (!earlier_.empty()) return false;
  }
  return !slots_missing();
}

std::optional<std::string> Generations::fill(Time now) {
  const auto store = current();
  trim_earlier();  // before anything new is allocated
  if (store && !store->missing(wish_.slots)) return std::nullopt;
  const auto before = earlier_bytes();
  if (refused_ && now < refused_->again && before >= refused_->earlier) return refused_->why;
  refused_.reset();
  try {
    auto filled = store ? store : make_store();
    while (filled && filled->missing(wish_.slots) && fits(frame_bytes_)) filled->add_slot();
    if (filled && !filled->missing(wish_.slots)) return std::nullopt;
    return lack("vram-budget is " + std::to_string(wish_.budget) + " bytes");
  } catch (const std::exception &error) {
    backend()->check();
    refused_ = Refused{now + kAskAgain, before, lack(error.what())};
    return refused_->why;
  }
}

std::optional<std::string> Generations::fill_patiently(Time now) {
  const auto why = fill(now);
  if (!why || !leaving_->bytes() || !leaving_->wait(kPatience)) return why;
  refused_.reset();
  return fill(now);
}

/// Null when there is no room for it.
std::shared_ptr<Store> Generations::make_store() {
  auto source = backend()->slot_source(info_);
  frame_bytes_ = source->bytes();
  if (!fits(frame_bytes_)) return nullptr;
  auto store = Store::create(std::move(source), number(), wish_.reuse_delay, leaving_, account_);
  std::lock_guard lock(mutex_);
  current_ = store;
  return store;
}

bool Generations::fits(gsize more) const {
  return !wish_.budget || bytes() + more <= wish_.budget;
}

std::string Generations::lack(const std::string &why) const {
  const auto missing = slots_missing();
  return std::to_string(missing) + " of " + std::to_string(wish_.slots) + " slots of " +
         std::to_string(frame_bytes_) + " bytes cannot be had in " + backend()->name() +
         " (with the " + "overflow slot all take " +
         std::to_string(frame_bytes_ * (wish_.slots + 1)) + " bytes): " + why +
         "; earlier generations hold " + std::to_string(earlier_bytes()) + " bytes";
}

std::shared_ptr<Store> Generations::current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

std::shared_ptr<Backend> Generations::backend() const {
  std::lock_guard lock(mutex_);
  return backend_;
}

guint64 Generations::number() const {
  std::lock_guard lock(mutex_);
  return number_;
}

unsigned Generations::slots_missing() const {
  std::unique_lock lock(mutex_);
  const auto store = current_;
  const auto wanted = backend_ ? wish_.slots : 0;
  lock.unlock();
  return store ? store->missing(wanted) : wanted;
}

std::vector<std::shared_ptr<Store>> Generations::earlier() const {
  std::vector<std::shared_ptr<Store>> stores;
  std::lock_guard lock(mutex_);
  for (const auto &one : earlier_)
    if (auto store = one.store.lock()) stores.push_back(std::move(store));
  return stores;
}

void Generations::trim_earlier() const {
  for (const auto &store : earlier()) store->trim();
}

std::vector<std::shared_ptr<Store>> Generations::living() const {
  auto stores = earlier();
  if (auto store = current()) stores.push_back(std::move(store));
  return stores;
}

gsize Generations::earlier_bytes() const {
  const auto all = bytes();  // read first: what the current store gets meanwhile is not of it
  const auto store = current();
  const auto now = store ? store->bytes() : 0;
  return all > now ? all - now : 0;
}

}  // namespace cudacam
