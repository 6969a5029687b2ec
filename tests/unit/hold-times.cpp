// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/hold-times.hpp"

#include <gst/check/gstcheck.h>

#include <algorithm>
#include <random>
#include <vector>

using cudacam::HoldTimes;
using namespace std::chrono_literals;

GST_START_TEST(is_zero_without_leases) {
  fail_unless(HoldTimes().quantile(50) == 0ns);
}
GST_END_TEST

GST_START_TEST(is_never_too_small_and_at_most_a_quarter_too_large) {
  std::mt19937 random(1);
  for (const auto longest : {10us, 1000us, 1000000us, 1000000000us}) {
    HoldTimes times;
    std::vector<HoldTimes::Duration> all(1000);
    for (auto &time : all) {
      time = HoldTimes::Duration(
          1000 + random() % static_cast<unsigned long long>(HoldTimes::Duration(longest).count()));
      times.add(time);
    }
    std::sort(all.begin(), all.end());
    for (const unsigned percent : {1u, 50u, 99u, 100u}) {
      const auto exact = all[all.size() * percent / 100 - 1];
      const auto answer = times.quantile(percent);
      fail_unless(answer >= exact && answer <= exact * 5 / 4 + 1us, "%u%%: %ld for %ld", percent,
                  long(answer.count()), long(exact.count()));
    }
  }
}
GST_END_TEST

GST_START_TEST(takes_the_extremes) {
  HoldTimes times;
  times.add(-1ns);
  times.add(0ns);
  fail_unless(times.quantile(100) == 1us);
  times.add(HoldTimes::Duration::max());
  fail_unless(times.quantile(50) == 1us);
  fail_unless(times.quantile(100) > 1h);
  fail_unless_equals_int(times.count(), 3);
}
GST_END_TEST

static Suite *hold_times_suite() {
  auto *suite = suite_create("hold-times");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, is_zero_without_leases);
  tcase_add_test(tests, is_never_too_small_and_at_most_a_quarter_too_large);
  tcase_add_test(tests, takes_the_extremes);
  return suite;
}

GST_CHECK_MAIN(hold_times)
