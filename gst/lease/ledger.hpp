// SPDX-License-Identifier: LGPL-2.1-or-later
/// The lease book under one lock, and the waiting.
///
/// Publishing and taking happen under one lock, so a reader either has a frame that counts as lent
/// or has none: a drain can never overlook a frame that is on its way to a reader.
///
///     publish ──lock is free──> book ──> readers that wait are served ──unlock──> and woken
///        └──somebody has it──> inbox ──> the same, by whoever has the lock, before it lets go
///
/// So the camera's thread never waits for a reader, one that lost its core in the middle included.
/// A reader that waits sleeps on its own and is woken with its lease in hand: it does not contend
/// for the lock, and those for whom there is nothing sleep on.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "base/parker.hpp"
#include "base/patient-mutex.hpp"
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
    unsigned waiting = 0;        ///< threads that sleep in acquire()
    std::uint64_t deferred = 0;  ///< frames that somebody else put into the book
  };

  /// `now` dates leases; deadlines are Clock's.
  explicit Ledger(Now now = Clock::now) : now_(now) {}
  ~Ledger();
  Ledger(const Ledger &) = delete;
  Ledger &operator=(const Ledger &) = delete;

  /// Waits for nobody. False: draining or stopped, not kept. A frame that is left to whoever has
  /// the lock comes before whatever is asked of the ledger from here on, and is refused there.
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
  bool is_revoked(std::uint64_t id);

  /// Refuses new leases, forgets all frames and waits until all leases are back or `deadline`.
  /// Returns who still holds what (empty: nobody). Leases are given out again afterwards. Several
  /// drains at once all wait; leases resume when the last returns.
  std::vector<Outstanding> drain(Clock::time_point deadline);

  /// Wakes every waiting holder and drain, refuses everything but release() and revoke(), and waits
  /// like drain().
  std::vector<Outstanding> stop(Clock::time_point deadline = Clock::time_point::min());

  /// The frames that are not kept: to die where the caller holds no lock.
  Discarded limit(unsigned max_leases);
  Discarded set_queue(const std::string &holder, std::optional<std::size_t> queue);

  std::vector<LeaseBook::Overdue> overdue(Clock::duration timeout);
  std::optional<Clock::time_point> next_overdue(Clock::duration timeout);

  std::vector<Outstanding> outstanding();
  std::vector<LeaseBook::Row> rows();
  std::vector<LeaseBook::Held> held();
  Counts counts();

 private:
  class Section;
  struct Waiter;
  struct Deferred;

  bool enter_locked(FrameRef frame, Section &section);
  void serve_locked(Section &section);
  void note_return_locked();
  void tell_drains_locked();
  void await_return(Section &section, Clock::time_point deadline);

  const Now now_;
  std::atomic<Deferred *> inbox_{nullptr};  // newest first
  std::atomic<bool> any_lost_{false};       // while false, no lease is a revoked one

  PatientMutex mutex_;  // guards all below; only a Section takes it
  LeaseBook book_;
  std::vector<Waiter *> waiters_;  // who sleeps in acquire(), longest first
  std::vector<Parker *> drains_;   // who sleeps in drain() and stop()
  bool stopped_ = false;
  std::uint64_t deferred_ = 0;
};

}  // namespace cudacam
