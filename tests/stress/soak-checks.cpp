// SPDX-License-Identifier: LGPL-2.1-or-later
// What the soak relies on: that it would notice.
#include <gst/check/gstcheck.h>

#include <vector>

#include "frame-judge.hpp"
#include "gap-book.hpp"
#include "trouble-plan.hpp"
#include "usage-watch.hpp"

namespace {

using namespace cudacam::soak;

Look look(std::uint32_t top, std::uint32_t bottom, std::uint64_t sum) {
  return {{top, bottom}, sum};
}

Look look(std::uint32_t number) {
  return look(number, number, number * 1000);
}

Clock::time_point at(int milliseconds) {
  return Clock::time_point{} + std::chrono::milliseconds(milliseconds);
}

bool near(double a, double b) {
  return a > b - 1e-6 && a < b + 1e-6;
}

}  // namespace

GST_START_TEST(frames_in_order_are_good) {
  SharedSums sums;
  FrameJudge judge(sums);
  for (std::uint32_t i : {5u, 6u, 9u}) fail_unless(judge.judge(i, look(i), look(i)));
  fail_unless_equals_uint64(judge.verdicts().verified, 3);
  fail_unless_equals_uint64(judge.verdicts().bad(), 0);
  fail_unless(judge.explanations().empty());
}
GST_END_TEST

GST_START_TEST(a_wrong_number_is_stale) {
  SharedSums sums;
  FrameJudge judge(sums);
  judge.judge(0, look(5), look(5));
  fail_if(judge.judge(1, look(4), look(4)));
  fail_if(judge.judge(2, look(5), look(5)));
  fail_unless_equals_uint64(judge.verdicts().stale, 2);
  fail_unless_equals_uint64(judge.verdicts().bad(), 2);
}
GST_END_TEST

GST_START_TEST(a_frame_of_two_pictures_is_torn) {
  SharedSums sums;
  FrameJudge judge(sums);
  fail_if(judge.judge(0, look(5, 6, 1), look(5, 6, 1)));
  fail_unless_equals_uint64(judge.verdicts().torn, 1);
}
GST_END_TEST

GST_START_TEST(a_frame_without_a_number_is_damaged) {
  SharedSums sums;
  FrameJudge judge(sums);
  const Look blind{{5u, std::nullopt}, 1};
  fail_if(judge.judge(0, blind, blind));
  fail_unless_equals_uint64(judge.verdicts().damaged, 1);
}
GST_END_TEST

GST_START_TEST(a_frame_that_changes_while_it_is_held_is_rewritten) {
  SharedSums sums;
  FrameJudge judge(sums);
  fail_if(judge.judge(0, look(5), look(6)));
  fail_if(judge.judge(1, look(7, 7, 70), look(7, 7, 71)));  // of the same number
  fail_unless_equals_uint64(judge.verdicts().rewritten, 2);
  fail_unless_equals_int(judge.explanations().size(), 2);
}
GST_END_TEST

GST_START_TEST(readers_of_the_same_frame_must_see_the_same) {
  SharedSums sums;
  FrameJudge one(sums), two(sums);
  fail_unless(one.judge(0, look(5), look(5)));
  fail_unless(two.judge(0, look(5), look(5)));
  fail_unless(one.judge(1, look(6, 6, 60), look(6, 6, 60)));
  fail_if(two.judge(1, look(6, 6, 61), look(6, 6, 61)));
  fail_unless_equals_uint64(two.verdicts().different, 1);
}
GST_END_TEST

GST_START_TEST(a_gap_is_measured_beyond_the_outage) {
  GapBook book;
  book.frame(at(0), 1);
  book.frame(at(40), 1);
  book.outage_begins(at(50));
  fail_if(book.report().recovered);
  book.frame(at(80), 1);  // was on its way
  book.outage_ends(at(3050));
  book.frame(at(3060), 1);  // the old connection's last
  fail_if(book.report().recovered);
  book.frame(at(3380), 2);
  book.frame(at(3420), 2);
  const auto report = book.report();
  fail_unless(report.recovered);
  fail_unless_equals_int(report.beyond.size(), 1);
  fail_unless(near(report.beyond[0], 0));  // 80 to 3060 ms are less than the outage
  fail_unless(near(report.longest, 0.04));

  book.outage_begins(at(4000));
  book.outage_ends(at(4000));
  book.frame(at(4500), 3);
  fail_unless(near(book.report().beyond[1], 1.08));  // from 3420 ms on
}
GST_END_TEST

GST_START_TEST(an_outage_without_a_new_connection_ends_as_well) {
  GapBook book;
  book.frame(at(0), 1);
  book.outage_begins(at(10));
  book.outage_ends(at(20));
  book.frame(at(100), 1);
  fail_if(book.report().recovered);
  book.frame(at(11000), 1);
  fail_unless(book.report().recovered);
}
GST_END_TEST

GST_START_TEST(intervals_are_counted_in_bins) {
  IntervalHistogram histogram;
  histogram.add(0);
  histogram.add(0.001);
  histogram.add(0.0101);
  histogram.add(1e9);
  fail_unless_equals_uint64(histogram.counts[0], 2);
  fail_unless_equals_uint64(histogram.counts[10], 1);
  fail_unless_equals_uint64(histogram.counts[IntervalHistogram::kBins - 1], 1);
  fail_unless(near(IntervalHistogram::lower_bound(10), 0.01));
}
GST_END_TEST

GST_START_TEST(every_camera_meets_every_trouble) {
  constexpr std::size_t kCameras = 3;
  TroublePlan plan(kCameras);
  std::vector<std::vector<int>> met(kCameras, std::vector<int>(kTroubles));
  for (std::size_t i = 0; i < kCameras * kTroubles; ++i) {
    const auto next = plan.next(std::vector<bool>(kCameras));
    ++met[next->camera][static_cast<std::size_t>(next->trouble)];
  }
  for (const auto &camera : met)
    for (const int times : camera) fail_unless_equals_int(times, 1);
}
GST_END_TEST

GST_START_TEST(a_busy_camera_is_left_alone) {
  TroublePlan plan(3);
  for (int i = 0; i < 10; ++i) fail_unless_equals_int(plan.next({true, true, false})->camera, 2);
  fail_if(plan.next({true, true, true}).has_value());
}
GST_END_TEST

GST_START_TEST(a_leak_is_told_from_ups_and_downs) {
  constexpr std::uint64_t kMiB = 1024 * 1024;
  UsageWatch level, leak;
  for (unsigned i = 0; i < 120; ++i) {
    const std::uint64_t wave = i % 5 * 100 * kMiB;
    level.add(i, {400 * kMiB + wave, 50 * kMiB, 20 + i % 5 * 10, 30});
    leak.add(i, {400 * kMiB + wave + i * kMiB, 50 * kMiB + i * 4 * kMiB, 20 + i / 4, 30 + i / 4});
  }
  for (const auto &growth : level.growth()) fail_if(growth.grew(), "%s", growth.what.c_str());
  fail_unless_equals_int(leak.growth().size(), 4);
  for (const auto &growth : leak.growth()) fail_unless(growth.grew(), "%s", growth.what.c_str());
  const auto minutes = level.vram_by_minute();
  fail_unless_equals_int(minutes.size(), 2);
  fail_unless_equals_uint64(minutes[1].first, 400 * kMiB);
  fail_unless_equals_uint64(minutes[1].most, 800 * kMiB);
}
GST_END_TEST

static Suite *soak_checks_suite() {
  Suite *suite = suite_create("soak-checks");
  TCase *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, frames_in_order_are_good);
  tcase_add_test(tests, a_wrong_number_is_stale);
  tcase_add_test(tests, a_frame_of_two_pictures_is_torn);
  tcase_add_test(tests, a_frame_without_a_number_is_damaged);
  tcase_add_test(tests, a_frame_that_changes_while_it_is_held_is_rewritten);
  tcase_add_test(tests, readers_of_the_same_frame_must_see_the_same);
  tcase_add_test(tests, a_gap_is_measured_beyond_the_outage);
  tcase_add_test(tests, an_outage_without_a_new_connection_ends_as_well);
  tcase_add_test(tests, intervals_are_counted_in_bins);
  tcase_add_test(tests, every_camera_meets_every_trouble);
  tcase_add_test(tests, a_busy_camera_is_left_alone);
  tcase_add_test(tests, a_leak_is_told_from_ups_and_downs);
  return suite;
}

GST_CHECK_MAIN(soak_checks)
