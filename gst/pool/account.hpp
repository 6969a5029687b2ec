// SPDX-License-Identifier: LGPL-2.1-or-later
/// How much memory the stores of one element have, whoever holds it: from before it is allocated
/// until it is freed. One number, so that it is right at any moment, for a budget and for
/// statistics, while slots move from store to store and out.
#pragma once

#include <glib.h>

#include <atomic>

namespace cudacam {

/// Shared with the stores, which may outlive the element. Any thread.
class Account {
 public:
  void add(gsize bytes) { bytes_ += bytes; }
  void remove(gsize bytes) { bytes_ -= bytes; }
  gsize bytes() const { return bytes_; }

 private:
  std::atomic<gsize> bytes_{0};
};

}  // namespace cudacam
