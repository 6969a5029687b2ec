// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "cuda/context.hpp"

namespace cudacam {

/// The T of each context, which is made of it for whoever asks first and gone with its last user.
/// T keeps its context. Any thread; making it is waited for.
template <class T>
class PerContext {
 public:
  template <class Make>
  std::shared_ptr<T> of(GstCudaContext *context, Make &&make) {
    const std::lock_guard lock(mutex_);
    for (auto it = known_.begin(); it != known_.end();)
      it = it->second.expired() ? known_.erase(it) : std::next(it);
    auto &known = known_[context];
    auto one = known.lock();
    if (!one) known = one = make();
    return one;
  }

 private:
  std::mutex mutex_;  // guards the map; held while one is made
  std::map<GstCudaContext *, std::weak_ptr<T>> known_;
};

}  // namespace cudacam
