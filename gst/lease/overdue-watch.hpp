// SPDX-License-Identifier: LGPL-2.1-or-later
/// Reports leases that are held for too long, also when no frame comes and nobody calls.
///
/// One thread for all leases of a sink, which nobody needs to wake: a lease that is not out yet
/// cannot be overdue sooner than one timeout from now, so that long it may sleep.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "lease/ledger.hpp"

namespace cudacam {

class OverdueWatch {
 public:
  using Duration = Ledger::Clock::duration;
  using Report = std::function<void(const LeaseBook::Overdue &)>;  ///< on the watch's thread

  OverdueWatch(std::shared_ptr<Ledger> ledger, Duration timeout, Report report);
  /// Waits for a report that is under way. Not to be called by one.
  ~OverdueWatch();
  OverdueWatch(const OverdueWatch &) = delete;
  OverdueWatch &operator=(const OverdueWatch &) = delete;

  /// From now on; zero: nothing is overdue.
  void set_timeout(Duration timeout);

 private:
  void run();

  const std::shared_ptr<Ledger> ledger_;
  const Report report_;

  std::mutex mutex_;                 // guards the three below; never held while calling out
  std::condition_variable changed_;  // one of the three changed
  Duration timeout_;
  bool timeout_is_new_ = false;
  bool done_ = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace cudacam
