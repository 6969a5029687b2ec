// SPDX-License-Identifier: LGPL-2.1-or-later
// What the benchmarks and the soak say of many values.
#include "support/percentiles.hpp"

#include <gst/check/gstcheck.h>

using cudacam::test::percentile;
using cudacam::test::summary;
using cudacam::test::tells;

namespace {

/// 1 to `count`, the largest first.
std::vector<long> falling(long count) {
  std::vector<long> values;
  for (long value = count; value > 0; --value) values.push_back(value);
  return values;
}

}  // namespace

GST_START_TEST(a_percentile_is_one_of_the_values) {
  const std::vector<double> sorted = {1, 2, 3, 4};
  fail_unless_equals_float(percentile(sorted, 50), 2);
  fail_unless_equals_float(percentile(sorted, 99), 4);
  fail_unless_equals_float(percentile(sorted, 100), 4);
  fail_unless_equals_float(percentile(std::vector<double>{7}, 50), 7);
  fail_unless_equals_float(percentile(std::vector<double>{}, 50), 0);
}
GST_END_TEST

GST_START_TEST(too_few_values_tell_nothing_of_the_tail) {
  fail_if(tells(99, 99));
  fail_unless(tells(100, 99));
  fail_if(tells(999, 99.9));
  fail_unless(tells(1000, 99.9));
}
GST_END_TEST

GST_START_TEST(a_summary_is_json) {
  const auto expect = [](const std::string &found, const char *wanted) {
    fail_unless(found == wanted, "%s", found.c_str());
  };
  expect(summary(falling(1000), 0),
         R"({"count": 1000, "median": 500, "p99": 990, "p99.9": 999, "longest": 1000})");
  expect(summary(falling(100), 0),
         R"({"count": 100, "median": 50, "p99": 99, "p99.9": null, "longest": 100})");
  expect(summary(std::vector<double>{0.25, 4}, 2, {"p50", "max"}),
         R"({"count": 2, "p50": 0.25, "p99": null, "p99.9": null, "max": 4.00})");
  expect(summary(std::vector<double>{}, 2), "null");
}
GST_END_TEST

static Suite *percentiles_suite() {
  Suite *suite = suite_create("percentiles");
  TCase *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_percentile_is_one_of_the_values);
  tcase_add_test(tests, too_few_values_tell_nothing_of_the_tail);
  tcase_add_test(tests, a_summary_is_json);
  return suite;
}

GST_CHECK_MAIN(percentiles)
