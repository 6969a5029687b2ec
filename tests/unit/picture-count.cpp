// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/picture-count.hpp"

#include <gst/check/gstcheck.h>

using cudacam::PictureCount;
using std::chrono::milliseconds;

namespace {

PictureCount::Time at(int frame) {
  return milliseconds(40 * frame);
}

}  // namespace

GST_START_TEST(every_picture_becomes_a_frame) {
  PictureCount count;
  for (int i = 0; i < 1000; i++) {
    count.fed(at(i));
    count.made(at(i));
  }
  count.end();
  fail_unless_equals_uint64(count.dropped(), 0);
}
GST_END_TEST

/// I0 P3 B1 B2 P6 B4 B5, shown in order.
GST_START_TEST(reordering_is_no_loss) {
  PictureCount count;
  for (const int fed : {0, 3, 1, 2, 6, 4, 5}) count.fed(at(fed));
  for (int i = 0; i <= 6; i++) {
    count.made(at(i));
    fail_unless_equals_uint64(count.dropped(), 0);
  }
  count.end();
  fail_unless_equals_uint64(count.dropped(), 0);
}
GST_END_TEST

GST_START_TEST(what_is_passed_over_is_dropped_at_once) {
  PictureCount count;
  for (int i = 0; i < 6; i++) count.fed(at(i));
  count.made(at(0));
  count.made(at(4));
  fail_unless_equals_uint64(count.dropped(), 3);
  count.made(at(5));
  fail_unless_equals_uint64(count.dropped(), 3);
}
GST_END_TEST

GST_START_TEST(a_decoder_may_round_times) {
  PictureCount count;
  for (int i = 0; i < 10; i++) {
    count.fed(at(i));
    count.made(at(i) - std::chrono::microseconds(11));
  }
  fail_unless_equals_uint64(count.dropped(), 0);
}
GST_END_TEST

GST_START_TEST(a_frame_of_nothing_known_counts_nothing) {
  PictureCount count;
  count.made(at(7));
  fail_unless_equals_uint64(count.dropped(), 0);
}
GST_END_TEST

GST_START_TEST(what_never_comes_is_counted_and_bounded) {
  PictureCount count;
  fail_unless(!count.is_fruitless());
  const int many = int(PictureCount::kMostInside) + 36;
  for (int i = 0; i < many; i++) count.fed(at(i));
  fail_unless_equals_uint64(count.dropped(), 36);
  fail_unless(count.is_fruitless());
  count.end();
  fail_unless_equals_uint64(count.dropped(), many);
  fail_unless(!count.is_fruitless());
  count.fed(at(many));
  count.made(at(many));
  fail_unless(!count.is_fruitless());
}
GST_END_TEST

static Suite *picture_count_suite() {
  auto *suite = suite_create("picture-count");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, every_picture_becomes_a_frame);
  tcase_add_test(tests, reordering_is_no_loss);
  tcase_add_test(tests, what_is_passed_over_is_dropped_at_once);
  tcase_add_test(tests, a_decoder_may_round_times);
  tcase_add_test(tests, a_frame_of_nothing_known_counts_nothing);
  tcase_add_test(tests, what_never_comes_is_counted_and_bounded);
  return suite;
}
GST_CHECK_MAIN(picture_count)
