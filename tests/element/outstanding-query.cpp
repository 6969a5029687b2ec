// SPDX-License-Identifier: LGPL-2.1-or-later
/// The query that tells what is outstanding.
#include <algorithm>
#include <vector>

#include "lease-bench.hpp"
#include "pad-block.hpp"
#include "support/wait-until.hpp"

using namespace cudacam::test;
using cudacam::QueryPtr;

namespace {

using Entries = std::vector<GstCudaCamOutstanding>;

/// What was answered; the strings live as long as the query.
Entries entries(GstQuery *query, const char *element) {
  Entries result;
  GstCudaCamOutstanding frame{};
  for (guint i = 0; gst_cuda_cam_query_parse_nth_outstanding(query, i, &frame); ++i)
    if (g_str_has_prefix(frame.element, element)) result.push_back(frame);
  return result;
}

QueryPtr ask(GstElement *sink) {
  QueryPtr query(gst_cuda_cam_query_new_outstanding());
  fail_unless(gst_element_query(sink, query.get()));
  return query;
}

}  // namespace

GST_START_TEST(an_entry_reads_as_it_was_written) {
  const QueryPtr query(gst_cuda_cam_query_new_outstanding());
  fail_unless(gst_cuda_cam_query_is_outstanding(query.get()));
  fail_unless_equals_int(gst_cuda_cam_query_get_n_outstanding(query.get()), 0);
  const GstCudaCamOutstanding slot{"pool", 1, 2, 0, nullptr, FALSE, {}};
  const GstCudaCamOutstanding lease{"sink", 3, 4, 5, "reader", TRUE, {}};
  gst_cuda_cam_query_add_outstanding(query.get(), &slot);
  gst_cuda_cam_query_add_outstanding(query.get(), &lease);
  fail_unless_equals_int(gst_cuda_cam_query_get_n_outstanding(query.get()), 2);
  const auto a = entries(query.get(), "pool").at(0);
  fail_unless(a.memory == 1 && a.memory_references == 2 && !a.holder);
  const auto b = entries(query.get(), "sink").at(0);
  fail_unless(b.memory == 3 && b.memory_references == 4 && b.buffer_references == 5 && b.revoked);
  fail_unless_equals_string(b.holder, "reader");
}
GST_END_TEST

GST_START_TEST(other_queries_are_not_taken_for_it) {
  for (auto *query :
       {gst_query_new_position(GST_FORMAT_TIME),
        gst_query_new_custom(GST_QUERY_CUSTOM, gst_structure_new_empty("other")),
        gst_query_new_custom(GST_QUERY_CUSTOM,
                             gst_structure_new_empty(GST_CUDA_CAM_QUERY_OUTSTANDING))}) {
    const QueryPtr owned(query);
    fail_unless(!gst_cuda_cam_query_is_outstanding(query));
  }
}
GST_END_TEST

GST_START_TEST(leases_and_slots_are_told) {
  LeaseBench bench("cudacampool slots=4 ! queue ! cudacamsink");
  bench.push(1);
  auto lease = bench.acquire("reader", kLong);
  bench.drain(0);  // forgets the newest frame
  QueryPtr query;
  Entries leases;
  // The queue's thread, which brought it, has a third one for a while.
  wait_until(
      [&] {
        query = ask(bench.sink());
        leases = entries(query.get(), "cudacamsink");
        return leases.size() == 1 && leases[0].buffer_references == 2;
      },
      "a lease of a buffer with two references");
  fail_unless_equals_string(leases[0].holder, "reader");
  fail_unless(!leases[0].revoked);
  auto slots = entries(query.get(), "cudacampool");
  fail_unless_equals_int(slots.size(), 1);
  fail_unless(slots[0].memory == leases[0].memory);
  fail_unless_equals_int(slots[0].memory_references, 1);

  bench.revoke(nullptr);
  query = ask(bench.sink());
  leases = entries(query.get(), "cudacamsink");
  fail_unless_equals_int(leases.size(), 1);
  fail_unless(leases[0].revoked);

  lease.reset();
  fail_unless_equals_int(gst_cuda_cam_query_get_n_outstanding(ask(bench.sink()).get()), 0);
}
GST_END_TEST

GST_START_TEST(frames_in_queues_are_told_by_the_pool_alone) {
  LeaseBench bench("cudacampool slots=8 ! queue ! queue name=stuck ! cudacamsink");
  auto *stuck = gst_bin_get_by_name(GST_BIN(bench.harness()->element), "stuck");
  bench.push(1);
  auto lease = bench.acquire("reader", kLong);
  bench.drain(0);
  PadBlock block(stuck, "src");
  for (guint8 i = 2; i < 5; ++i) bench.push(i);
  wait_until([&] { return block.reached(); }, "the block");
  // The query passes the queues, it does not stand in line behind the frames.
  const auto query = ask(bench.sink());
  const auto leases = entries(query.get(), "cudacamsink");
  const auto slots = entries(query.get(), "cudacampool");
  fail_unless_equals_int(leases.size(), 1);
  fail_unless_equals_int(slots.size(), 4);  // the leased one and those on their way
  const auto of_lease = [&](const auto &slot) { return slot.memory == leases[0].memory; };
  fail_unless_equals_int(std::count_if(slots.begin(), slots.end(), of_lease), 1);
  block.let_go();
  gst_object_unref(stuck);
  while (number(bench.sink(), "frames") < 4) std::this_thread::yield();
  lease.reset();
  bench.drain(0);
  // The queue's thread lets the last one go when the sink has it.
  while (gst_cuda_cam_query_get_n_outstanding(ask(bench.sink()).get())) std::this_thread::yield();
}
GST_END_TEST

GST_START_TEST(a_sink_behind_a_tee_tells_of_itself_and_the_pool) {
  LeaseBench bench(
      "cudacampool slots=8 ! tee name=t t. ! queue ! cudacamsink name=cudacamsink-a "
      "t. ! queue ! cudacamsink name=cudacamsink-b");
  auto *other = gst_bin_get_by_name(GST_BIN(bench.harness()->element), "cudacamsink-b");
  bench.push(1);
  const LeasePtr lease(
      gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(other), "reader", kLong, nullptr));
  const auto query = ask(other);
  fail_unless_equals_int(entries(query.get(), "cudacamsink-b").size(), 1);
  fail_unless_equals_int(entries(query.get(), "cudacampool").size(), 1);
  gst_object_unref(other);
}
GST_END_TEST

GST_START_TEST(who_keeps_a_frame_without_a_lease_shows_at_the_pool) {
  LeaseBench bench;
  bench.push(1);
  auto lease = bench.acquire("reader");
  const cudacam::BufferPtr copy(gst_buffer_copy(gst_cuda_cam_lease_get_buffer(lease.get())));
  lease.reset();
  bench.drain(0);
  const auto query = ask(bench.sink());
  fail_unless(entries(query.get(), "cudacamsink").empty());
  fail_unless_equals_int(entries(query.get(), "cudacampool").size(), 1);
}
GST_END_TEST

GST_START_TEST(earlier_generations_are_told) {
  LeaseBench bench;
  bench.push(1);
  const auto lease = bench.acquire("reader");
  gst_harness_set_src_caps_str(bench.harness(),
                               "video/x-raw,format=GRAY8,width=8,height=2,framerate=30/1");
  // By itself: the harness goes on with the old generation's pool.
  fail_unless_equals_int(
      gst_harness_push(bench.harness(), gst_buffer_new_allocate(nullptr, 16, nullptr)),
      GST_FLOW_OK);
  const auto query = ask(bench.sink());
  fail_unless_equals_int(entries(query.get(), "cudacampool").size(), 2);
}
GST_END_TEST

static Suite *outstanding_query_suite() {
  auto *suite = suite_create("outstanding-query");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, an_entry_reads_as_it_was_written);
  tcase_add_test(tests, other_queries_are_not_taken_for_it);
  tcase_add_test(tests, leases_and_slots_are_told);
  tcase_add_test(tests, frames_in_queues_are_told_by_the_pool_alone);
  tcase_add_test(tests, a_sink_behind_a_tee_tells_of_itself_and_the_pool);
  tcase_add_test(tests, who_keeps_a_frame_without_a_lease_shows_at_the_pool);
  tcase_add_test(tests, earlier_generations_are_told);
  return suite;
}

GST_CHECK_MAIN(outstanding_query)
