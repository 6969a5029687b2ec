// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <stdexcept>

namespace cudacam::test {

/// A call to the driver that failed.
class CudaFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace cudacam::test
