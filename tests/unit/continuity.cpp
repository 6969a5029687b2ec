// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/continuity.hpp"

#include <gst/check/gstcheck.h>

using cudacam::Continuity;
using namespace std::chrono_literals;

GST_START_TEST(the_first_stream_stays_where_it_is) {
  Continuity continuity;
  continuity.begin();
  fail_unless(continuity.shift(0s, 5s) == 0s);
  fail_unless(continuity.shift(1s, 5s) == 0s);
}
GST_END_TEST

GST_START_TEST(a_stream_that_starts_again_follows_the_last) {
  Continuity continuity;
  continuity.begin();
  continuity.shift(0s, 0s);
  continuity.passed(3s);
  continuity.begin();
  fail_unless(continuity.shift(0s, 0s) == 3s);
  fail_unless(continuity.shift(40ms, 0s) == 0s);  // only its first frame tells
  continuity.passed(5s);
  continuity.begin();
  fail_unless(continuity.shift(1s, 0s) == 4s);
}
GST_END_TEST

GST_START_TEST(it_does_not_start_in_the_past) {
  Continuity continuity;
  continuity.passed(3s);
  continuity.begin();
  fail_unless(continuity.shift(0s, 10s) == 10s);
}
GST_END_TEST

GST_START_TEST(a_stream_that_is_ahead_is_live_and_stays) {
  Continuity continuity;
  continuity.passed(3s);
  continuity.begin();
  fail_unless(continuity.shift(3s, 10s) == 0s);
  continuity.begin();
  fail_unless(continuity.shift(9s, 10s) == 0s);
}
GST_END_TEST

GST_START_TEST(frames_out_of_order_do_not_take_the_end_back) {
  Continuity continuity;
  continuity.passed(3s);
  continuity.passed(2s);
  continuity.begin();
  fail_unless(continuity.shift(-1s, 0s) == 4s);
}
GST_END_TEST

static Suite *continuity_suite() {
  auto *suite = suite_create("continuity");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, the_first_stream_stays_where_it_is);
  tcase_add_test(tests, a_stream_that_starts_again_follows_the_last);
  tcase_add_test(tests, it_does_not_start_in_the_past);
  tcase_add_test(tests, a_stream_that_is_ahead_is_live_and_stays);
  tcase_add_test(tests, frames_out_of_order_do_not_take_the_end_back);
  return suite;
}

GST_CHECK_MAIN(continuity)
