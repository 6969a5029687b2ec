// SPDX-License-Identifier: LGPL-2.1-or-later
// What the demo decides and counts.
#include <gst/check/gstcheck.h>

#include <algorithm>

#include "camera-record.hpp"
#include "outage-plan.hpp"

namespace {

using cudacam::demo::CameraRecord;
using cudacam::demo::Clock;
using cudacam::demo::Outage;
using cudacam::demo::OutageKind;
using cudacam::demo::plan_outages;

Clock::time_point at(int milliseconds) {
  return Clock::time_point{} + std::chrono::milliseconds(milliseconds);
}

}  // namespace

GST_START_TEST(test_plan_gives_every_camera_both_kinds_of_outage) {
  const auto plan = plan_outages(3, 30);
  for (size_t camera = 0; camera < 3; ++camera)
    for (OutageKind kind : {OutageKind::kKill, OutageKind::kFreeze})
      fail_unless(std::any_of(plan.begin(), plan.end(), [=](const Outage &outage) {
        return outage.camera == camera && outage.kind == kind;
      }));
}
GST_END_TEST

GST_START_TEST(test_plan_is_in_order_and_outages_of_a_camera_do_not_overlap) {
  const auto plan = plan_outages(4, 100);
  double last = 0;
  double back[4] = {};
  for (const Outage &outage : plan) {
    fail_unless(outage.at >= last);
    fail_unless(outage.at > back[outage.camera] && outage.back > outage.at);
    last = outage.at;
    back[outage.camera] = outage.back;
  }
}
GST_END_TEST

GST_START_TEST(test_plan_leaves_time_to_recover) {
  for (int seconds = 1; seconds < 70; ++seconds)
    for (const Outage &outage : plan_outages(2, seconds)) fail_unless(outage.back + 5 <= seconds);
  fail_unless(plan_outages(2, 10).empty());
  fail_unless(plan_outages(2, 60).size() == 2 * plan_outages(2, 30).size());
}
GST_END_TEST

GST_START_TEST(test_record_measures_from_camera_back_to_the_first_frame) {
  CameraRecord record;
  record.good_frame(at(1000));
  record.outage_begins();
  record.good_frame(at(1040));  // was on its way
  record.camera_is_back(at(4000));
  fail_if(record.summary().recovered());
  record.good_frame(at(4500));
  record.good_frame(at(4540));
  const auto summary = record.summary();
  fail_unless(summary.recovered());
  fail_unless_equals_int(summary.recoveries.size(), 1);
  fail_unless_equals_float(summary.recoveries[0], 0.5);
  fail_unless_equals_float(summary.longest_gap, 3.46);
  fail_unless_equals_uint64(summary.verified, 4);
  fail_unless(record.newest() == at(4540));
}
GST_END_TEST

GST_START_TEST(test_record_keeps_the_first_explanations) {
  CameraRecord record;
  for (int i = 0; i < 10; ++i) record.bad_frame(std::to_string(i));
  fail_unless_equals_uint64(record.summary().bad, 10);
  fail_unless_equals_int(record.summary().explanations.size(), 3);
  fail_unless(record.summary().explanations[0] == "0");
}
GST_END_TEST

static Suite *demo_parts_suite() {
  Suite *suite = suite_create("demo-parts");
  TCase *plan = tcase_create("plan");
  tcase_add_test(plan, test_plan_gives_every_camera_both_kinds_of_outage);
  tcase_add_test(plan, test_plan_is_in_order_and_outages_of_a_camera_do_not_overlap);
  tcase_add_test(plan, test_plan_leaves_time_to_recover);
  suite_add_tcase(suite, plan);
  TCase *record = tcase_create("record");
  tcase_add_test(record, test_record_measures_from_camera_back_to_the_first_frame);
  tcase_add_test(record, test_record_keeps_the_first_explanations);
  suite_add_tcase(suite, record);
  return suite;
}

GST_CHECK_MAIN(demo_parts)
