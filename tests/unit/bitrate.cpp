// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/bitrate.hpp"

#include <gst/check/gstcheck.h>

using cudacam::Bitrate;
using namespace std::chrono_literals;

namespace {
constexpr Bitrate::Time kStart{100s};
}

GST_START_TEST(averages_over_the_latest_window) {
  Bitrate bitrate;
  fail_unless_equals_uint64(bitrate.bits_per_second(kStart), 0);
  auto now = kStart;
  for (; now < kStart + 1s; now += 40ms) bitrate.add(5000, now);
  fail_unless_equals_uint64(bitrate.bits_per_second(now), 0);
  for (; now <= kStart + 2s; now += 40ms) bitrate.add(10000, now);
  fail_unless_equals_uint64(bitrate.bits_per_second(now), 25 * 10000 * 8);
}
GST_END_TEST

GST_START_TEST(a_silent_camera_sends_nothing) {
  Bitrate bitrate;
  bitrate.add(1000, kStart);
  bitrate.add(1000, kStart + 1s);
  fail_unless_equals_uint64(bitrate.bits_per_second(kStart + 1s), 8000);
  fail_unless_equals_uint64(bitrate.bits_per_second(kStart + 3s - 1ns), 8000);
  fail_unless_equals_uint64(bitrate.bits_per_second(kStart + 3s), 0);
  bitrate.add(1000, kStart + 60s);  // the silence is not averaged in
  fail_unless_equals_uint64(bitrate.bits_per_second(kStart + 60s), 0);
  bitrate.add(1000, kStart + 61s);
  fail_unless_equals_uint64(bitrate.bits_per_second(kStart + 61s), 8000);
}
GST_END_TEST

static Suite *bitrate_suite() {
  auto *suite = suite_create("bitrate");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, averages_over_the_latest_window);
  tcase_add_test(tests, a_silent_camera_sends_nothing);
  return suite;
}
GST_CHECK_MAIN(bitrate)
