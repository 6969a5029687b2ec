// SPDX-License-Identifier: LGPL-2.1-or-later
/// Numbers that stand for frames, and deadlines, for tests of the ledger.
#pragma once

#include <memory>

#include "lease/ledger.hpp"

namespace cudacam::test {

constexpr auto kNow = Ledger::Clock::time_point::min();  // a deadline that has passed

inline auto far_off() {
  return Ledger::Clock::now() + std::chrono::minutes(1);
}
inline std::shared_ptr<int> frame(int number) {
  return std::make_shared<int>(number);
}
inline int number(const Ledger::Lease &lease) {
  return *static_cast<int *>(lease.frame.get());
}

}  // namespace cudacam::test
