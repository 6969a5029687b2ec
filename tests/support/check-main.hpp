// SPDX-License-Identifier: LGPL-2.1-or-later
/// GST_CHECK_MAIN for suites that cannot run everywhere.
#pragma once

#include <gst/check/gstcheck.h>

#include <string>

/// The exit status of a suite that cannot run here, which meson counts as skipped; says why.
inline int skipped(const std::string &reason) {
  g_print("skipped: %s\n", reason.c_str());
  return 77;
}

/// `missing`: what is not there, as a text, and "" when nothing is missing. It is asked for after
/// GStreamer was initialised.
#define CHECK_MAIN_UNLESS(name, missing)                         \
  int main(int argc, char **argv) {                              \
    gst_check_init(&argc, &argv);                                \
    const std::string reason = missing;                          \
    if (!reason.empty()) return skipped(reason);                 \
    return gst_check_run_suite(name##_suite(), #name, __FILE__); \
  }
