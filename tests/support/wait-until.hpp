// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/check/gstcheck.h>

namespace cudacam::test {

/// Comes back when `condition` holds; fails after a minute, naming `what`.
template <class Condition>
void wait_until(Condition &&condition, const char *what = "it") {
  const auto limit = g_get_monotonic_time() + 60 * G_TIME_SPAN_SECOND;
  while (!condition()) {
    fail_unless(g_get_monotonic_time() < limit, "%s did not come", what);
    g_thread_yield();
  }
}

}  // namespace cudacam::test
