// SPDX-License-Identifier: LGPL-2.1-or-later
/// GST_CHECK_MAIN for suites that cannot run everywhere.
#pragma once

#include <gst/check/gstcheck.h>

#include <string>

/// `missing`: what is not there, as a text, and "" when nothing is missing. It is asked for after
/// GStreamer was initialised. Meson counts exit status 77 as skipped.
#define CHECK_MAIN_UNLESS(name, missing)                                             \
  int main(int argc, char **argv) {                                                  \
    gst_check_init(&argc, &argv);                                                    \
    const std::string reason = missing;                                              \
    if (reason.empty()) return gst_check_run_suite(name##_suite(), #name, __FILE__); \
    g_print("skipped: %s\n", reason.c_str());                                        \
    return 77;                                                                       \
  }
