// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/timeline.hpp"

#include <vector>

#include <gst/check/gstcheck.h>

using cudacam::Timeline;
using namespace std::chrono_literals;

GST_START_TEST(leaves_good_stamps_alone) {
  Timeline timeline;
  timeline.begin(200ms);
  for (auto t = 0ms; t < 10s; t += 40ms)
    fail_unless(timeline.input(t, t + 200ms) == t);  // behind by the jitter buffer
}
GST_END_TEST

GST_START_TEST(a_connection_may_start_anywhere) {
  for (const Timeline::Duration start : {0ns, -5000000000ns, 1000000000000ns, 95443717688888ns}) {
    Timeline timeline;
    timeline.begin(200ms);
    fail_unless(timeline.input(start, 60s) == 60s);
    fail_unless(timeline.input(start + 40ms, 60s + 45ms) == 60s + 40ms);
  }
}
GST_END_TEST

GST_START_TEST(each_connection_has_its_own_offset) {
  Timeline timeline;
  timeline.begin(200ms);
  fail_unless(timeline.input(1000s, 1s) == 1s);
  timeline.begin(200ms);
  fail_unless(timeline.input(20s, 20s + 200ms) == 20s);
}
GST_END_TEST

GST_START_TEST(jumps_within_a_connection_are_closed) {
  Timeline timeline;
  timeline.begin(200ms);
  fail_unless(timeline.input(10s, 10s) == 10s);
  fail_unless(timeline.input(500s, 11s) == 11s);            // forward
  fail_unless(timeline.input(501s, 12s) == 12s);            // and on
  fail_unless(timeline.input(3s, 13s) == 13s);              // back
  fail_unless(timeline.input(2s + 900ms, 13s) == 12900ms);  // a B-frame is no jump
}
GST_END_TEST

/// The first stamp: as it is when it is within 100 ms of when it should be, else due now.
GST_START_TEST(a_connection_starts_within_precision) {
  const auto first = [](Timeline::Duration off) {
    Timeline timeline;
    timeline.begin(200ms);
    return timeline.input(60s + off, 60s);
  };
  fail_unless(first(100ms) == 60s + 100ms);
  fail_unless(first(100ms + 1ns) == 60s);
  fail_unless(first(-300ms) == 60s - 300ms);
  fail_unless(first(-300ms - 1ns) == 60s);
}
GST_END_TEST

/// For any first stamp, slow or fast network: no frame is ever more than the precision ahead of the
/// clock, and in the end none is further behind than its own packet was.
GST_START_TEST(is_never_ahead_of_the_clock) {
  constexpr auto frame = 40ms, latency = 200ms;
  for (const Timeline::Duration start : {0ns, -1000000000ns, 400000000ns, 95443717688888ns}) {
    for (const Timeline::Duration slow : {0ms, 150ms, 1900ms}) {
      Timeline timeline;
      timeline.begin(latency);
      Timeline::Duration off{};
      for (int i = 0; i < 100; i++) {
        const auto arrival = 60s + i * frame + (i < 10 ? slow : 0ms);
        off = timeline.input(start + i * frame, arrival + latency) - (arrival + latency);
        fail_unless(off <= Timeline::kPrecision);
      }
      fail_unless(off >= -latency - Timeline::kPrecision);
    }
  }
}
GST_END_TEST

/// A server that sends what it has kept, all at once: due when it arrives.
GST_START_TEST(a_burst_at_the_start_is_due_now) {
  Timeline timeline;
  timeline.begin(200ms);
  for (int i = 0; i < 50; i++)
    fail_unless(timeline.input(60s + i * 40ms, 60s + i * 1ms) <= 60s + i * 1ms + 100ms);
}
GST_END_TEST

GST_START_TEST(reordered_frames_keep_their_distances) {
  Timeline timeline;
  timeline.begin(0ms);
  // I P B B at 10 frames/s, each sent when it was encoded; a P frame is due 300 ms later.
  std::vector<Timeline::Duration> times;
  for (int group = 0; group < 5; group++) {
    for (const int position : {3, 1, 2}) {
      const auto now = 60s + (3 * group + int(times.size()) % 3) * 100ms;
      times.push_back(timeline.input(60s + (3 * group + position) * 100ms, now));
      fail_unless(times.back() <= now + 100ms);
    }
  }
  for (std::size_t i = 6; i < times.size(); i++) fail_unless(times[i] - times[i - 3] == 300ms);
}
GST_END_TEST

GST_START_TEST(being_late_is_no_jump) {
  Timeline timeline;
  timeline.begin(200ms);
  timeline.input(10s, 10s);
  fail_unless(timeline.input(10s + 40ms, 70s) == 10s + 40ms);  // downstream blocked for a minute
}
GST_END_TEST

GST_START_TEST(no_stamp_means_now) {
  Timeline timeline;
  timeline.begin(200ms);
  fail_unless(timeline.input(std::nullopt, 7s) == 7s);
  fail_unless(timeline.input(std::nullopt, -1s) == 0s);
  fail_unless(timeline.input(-1s, 0s) == 0s);  // never negative
}
GST_END_TEST

GST_START_TEST(output_rises_strictly) {
  Timeline timeline;
  fail_unless(!timeline.latest());
  fail_unless(timeline.output(5s) == 5s);
  fail_unless(timeline.output(5s) == 5s + 1ns);
  fail_unless(timeline.output(4s) == 5s + 2ns);
  fail_unless(timeline.output(6s) == 6s);
  fail_unless(timeline.latest() == 6s);
}
GST_END_TEST

static Suite *timeline_suite() {
  auto *suite = suite_create("timeline");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, leaves_good_stamps_alone);
  tcase_add_test(tests, a_connection_may_start_anywhere);
  tcase_add_test(tests, each_connection_has_its_own_offset);
  tcase_add_test(tests, jumps_within_a_connection_are_closed);
  tcase_add_test(tests, a_connection_starts_within_precision);
  tcase_add_test(tests, is_never_ahead_of_the_clock);
  tcase_add_test(tests, a_burst_at_the_start_is_due_now);
  tcase_add_test(tests, reordered_frames_keep_their_distances);
  tcase_add_test(tests, being_late_is_no_jump);
  tcase_add_test(tests, no_stamp_means_now);
  tcase_add_test(tests, output_rises_strictly);
  return suite;
}
GST_CHECK_MAIN(timeline)
