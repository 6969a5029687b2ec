// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/transport.hpp"

#include <gst/check/gstcheck.h>
#include <gst/rtsp/gstrtsptransport.h>

using cudacam::Transports;

namespace {
constexpr unsigned kTcp = GST_RTSP_LOWER_TRANS_TCP, kUdp = GST_RTSP_LOWER_TRANS_UDP,
                   kMulticast = GST_RTSP_LOWER_TRANS_UDP_MCAST, kHttp = GST_RTSP_LOWER_TRANS_HTTP,
                   kTls = GST_RTSP_LOWER_TRANS_TLS;
}

GST_START_TEST(tries_tcp_first_and_each_allowed_one_once) {
  Transports transports;
  transports.want("a", kUdp | kMulticast | kTcp | kHttp);
  for (const auto expected : {kTcp, kUdp, kMulticast, kHttp}) {
    fail_unless_equals_int(transports.current(), expected);
    fail_unless_equals_int(transports.refused(), expected != kHttp);
  }
  fail_unless_equals_int(transports.current(), kTcp);
}
GST_END_TEST

GST_START_TEST(leaves_out_what_is_not_allowed) {
  Transports transports;
  transports.want("a", kMulticast | kUdp);
  fail_unless_equals_int(transports.current(), kUdp);
  fail_unless(transports.refused());
  fail_unless_equals_int(transports.current(), kMulticast);
  fail_unless(!transports.refused());
}
GST_END_TEST

GST_START_TEST(keeps_what_the_camera_accepted) {
  Transports transports;
  transports.want("a", kTcp | kUdp);
  transports.refused();
  transports.want("a", kTcp | kUdp);
  fail_unless_equals_int(transports.current(), kUdp);
}
GST_END_TEST

GST_START_TEST(begins_anew_for_another_camera_or_other_transports) {
  Transports transports;
  transports.want("a", kTcp | kUdp);
  transports.refused();
  transports.want("b", kTcp | kUdp);
  fail_unless_equals_int(transports.current(), kTcp);
  transports.refused();
  transports.want("b", kTcp | kUdp | kMulticast);
  fail_unless_equals_int(transports.current(), kTcp);
}
GST_END_TEST

GST_START_TEST(carries_flags_along) {
  Transports transports;
  transports.want("a", kTls | kTcp | kUdp);
  fail_unless_equals_int(transports.current(), kTls | kTcp);
  transports.want("a", kTls);
  fail_unless_equals_int(transports.current(), kTls);
  fail_unless(!transports.refused());
}
GST_END_TEST

static Suite *transport_suite() {
  auto *suite = suite_create("transport");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, tries_tcp_first_and_each_allowed_one_once);
  tcase_add_test(tests, leaves_out_what_is_not_allowed);
  tcase_add_test(tests, keeps_what_the_camera_accepted);
  tcase_add_test(tests, begins_anew_for_another_camera_or_other_transports);
  tcase_add_test(tests, carries_flags_along);
  return suite;
}

GST_CHECK_MAIN(transport)
