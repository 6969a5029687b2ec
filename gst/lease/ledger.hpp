// SPDX-License-Identifier: LGPL-2.1-or-later
/// The lease book under one lock, and the waiting.
///
/// Publishing and taking happen under one lock, so a reader either has a frame that counts as lent
/// or has none: a drain can never overlook a frame that is on its way to a reader.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "lease/lease-book.hpp"

namespace cudacam {

/// All functions may be called from any thread.
class Ledger {
 public:
  using Clock = LeaseBook::Clock;
  using Outstanding = LeaseBook::Outstanding;
  using Now = Clock::time_point (*)();

  enum class Outcome { kLent, kTimeout, kDraining, kLimit, kStopped };

  struct Lease {
    Outcome outcome = Outcome::kTimeout;
    std::uint64_t id = 0;  ///< for release(); 0 when not lent
    FrameRef frame;        ///< null when not lent
  };

  struct Counts : LeaseBook::Counts {
    unsigned waiting = 0;  ///< threads in acquire()
  };

  /// `now` dates leases; deadlines are Clock's.
  explicit Ledger(Now now = Clock::now) : now_(now) {}
  Ledger(const Ledger &) = delete;
  Ledger &operator=(const Ledger &) = delete;

  /// Never waits for readers. False: draining or stopped, not kept.
  bool publish(FrameRef frame);

  /// The next frame for `holder`; waits for one until `deadline`. During a drain it waits for the
  /// end of the drain, too. A holder that still has leases, for which the drain waits, is answered
  /// kDraining at once; others when the deadline comes first.
  Lease acquire(const std::string &holder, Clock::time_point deadline);

  /// Ends a lease; any time, also after stop(). An id that is not lent changes nothing and returns
  /// false.
  bool release(std::uint64_t id);

  /// See LeaseBook. Wakes drains that waited for what is revoked.
  unsigned revoke(const std::optional<std::string> &holder);
  bool is_revoked(std::uint64_t id) const;

  /// Refuses new leases, forgets all frames and waits until all leases are back or `deadline`.
  /// Returns who still holds what (empty: nobody). Leases are given out again afterwards. Several
  /// drains at once all wait; leases resume when the last returns.
  std::vector<Outstanding> drain(Clock::time_point deadline);

  /// Wakes every waiting holder and drain, refuses everything but release() and revoke(), and waits
  /// like drain().
  std::vector<Outstanding> stop(Clock::time_point deadline = Clock::time_point::min());

  void limit(unsigned max_leases);
  /// The frames that do not fit: to die where the caller holds no lock.
  Discarded set_queue(const std::string &holder, std::size_t queue);

  std::vector<LeaseBook::Overdue> overdue(Clock::duration timeout);
  std::optional<Clock::time_point> next_overdue(Clock::duration timeout) const;

  std::vector<Outstanding> outstanding() const;
  std::vector<LeaseBook::Row> rows() const;
  std::vector<LeaseBook::Held> held() const;
  Counts counts() const;

 private:
  const Now now_;
  mutable std::mutex mutex_;         // guards all below; never held while a frame is destroyed
  std::condition_variable changed_;  // the book changed in a way that somebody may wait for
  LeaseBook book_;
  bool stopped_ = false;
  unsigned waiting_ = 0;
};

}  // namespace cudacam
