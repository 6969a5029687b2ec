// SPDX-License-Identifier: LGPL-2.1-or-later
/// Slots in CUDA memory that upstream writes with the CPU. The simulated driver says when a reader
/// comes before the upload.
#include <cstring>

#include "fence-bench.hpp"
#include "proposed-slots.hpp"

using namespace cudacam;
using namespace cudacam::test;

namespace {

constexpr int kSkipped = 77;

}  // namespace

GST_START_TEST(what_the_cpu_wrote_is_uploaded_before_a_reader_comes) {
  for (const char *mode : {"auto", "gpu", "cpu"}) {
    FenceBench bench(std::string("cudacampool name=pool sync-mode=") + mode + " ! cudacamsink");
    const ProposedSlots slots(bench.harness());
    Reader reader(bench.gpu());
    bench.simulated.delay(500, 1);
    for (guint8 grey = 1; grey < 20; ++grey) {
      bench.push(slots.write(grey));
      const auto lease = bench.acquire();
      auto *frame = gst_cuda_cam_lease_get_buffer(lease.get());
      fail_unless(!compat::upload_is_due(gst_buffer_peek_memory(frame, 0)));
      wait_on_stream(lease, reader);
      reader.launch(lease.get());
      release_after(lease, reader);
      fail_unless_equals_int(reader.result(), grey);
    }
    fail_unless_equals_uint64(bench.count("copied"), 0);
    bench.expect_no_violation();
  }
}
GST_END_TEST

/// Where upstream's stream is out of reach, GStreamer waits for the upload.
GST_START_TEST(an_upload_that_a_thread_waits_for_is_counted) {
  FenceBench bench;
  const ProposedSlots slots(bench.harness());
  for (guint8 grey = 1; grey < 6; ++grey) bench.push(slots.write(grey));
  fail_unless_equals_uint64(bench.count("waited"), compat::readers_wait_for_memory() ? 0 : 5);
}
GST_END_TEST

/// A download, an upload, a copy; where they are ours to count.
GST_START_TEST(transfers_to_the_cpu_and_copies_are_counted) {
  FenceBench bench("cudacampool name=pool sync-mode=cpu ! cudacamsink");
  const ProposedSlots slots(bench.harness());
  const auto each = compat::readers_wait_for_memory() ? 0u : 1u;
  bench.push(1);
  const auto before = bench.count("transfers");
  const auto lease = bench.acquire();
  auto *memory = gst_buffer_peek_memory(gst_cuda_cam_lease_get_buffer(lease.get()), 0);
  GstMapInfo map;
  for (int i = 0; i < 3; ++i) {  // once, and then it is there
    fail_unless(gst_memory_map(memory, &map, GST_MAP_READ));
    gst_memory_unmap(memory, &map);
  }
  fail_unless_equals_uint64(bench.count("transfers"), before + each);
  const MemoryPtr copied(gst_memory_copy(memory, 0, -1));
  fail_unless_equals_uint64(bench.count("transfers"), before + 2 * each);
  bench.push(slots.write(2));  // what was there, and what is now
  fail_unless_equals_uint64(bench.count("transfers"), before + 4 * each);
}
GST_END_TEST

/// Of frames that upstream wrote and thought better of.
GST_START_TEST(what_the_cpu_wrote_last_time_does_not_come_over_a_copy) {
  FenceBench bench("cudacampool name=pool slots=2 ! cudacamsink");
  const ProposedSlots slots(bench.harness());
  Reader reader(bench.gpu());
  bench.simulated.delay(500, 1);
  for (guint8 grey = 1; grey < 20; ++grey) {
    slots.write(200);
    slots.write(201);
    bench.push(grey);
    const auto lease = bench.acquire();
    wait_on_stream(lease, reader);
    reader.launch(lease.get());
    release_after(lease, reader);
    fail_unless_equals_int(reader.result(), grey);
    bench.await_no_pending_slot();
  }
  fail_unless_equals_uint64(bench.count("copied"), 19);
  bench.expect_no_violation();
}
GST_END_TEST

/// Once: then GStreamer puts a copy in the slot's place, and what is retired must be the slot.
GST_START_TEST(an_upload_that_fails_costs_the_slot) {
  for (const char *which : {"1", "*"}) {
    FenceBench bench("cudacampool name=pool camera-name=yard ! cudacamsink");
    const ProposedSlots slots(bench.harness());
    auto frame = slots.write(1);
    const auto bus = adopt(gst_bus_new());
    gst_element_set_bus(bench.pool(), bus.get());
    fail_unless(bench.simulated.fault(std::string("cuMemcpyHtoD@") + which + "=1;cuMemcpy2DAsync@" +
                                      which + "=1"));
    fail_unless_equals_int(gst_harness_push(bench.harness(), frame.release()), GST_FLOW_OK);
    bench.simulated.clear_faults();
    const MessagePtr message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_WARNING));
    fail_unless(message != nullptr);
    GError *error = nullptr;
    gst_message_parse_warning(message.get(), &error, nullptr);
    const ErrorPtr owned(error);
    for (const char *part : {"yard", "CUDA device 0", "cannot be mapped"})
      fail_unless(std::strstr(error->message, part), "no %s in: %s", part, error->message);
    fail_unless_equals_uint64(bench.count("slots-retired"), 1);
    gst_element_set_bus(bench.pool(), nullptr);
  }
}
GST_END_TEST

static Suite *cudacampool_uploads_suite() {
  auto *suite = suite_create("cudacampool-uploads");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, what_the_cpu_wrote_is_uploaded_before_a_reader_comes);
  tcase_add_test(tests, an_upload_that_a_thread_waits_for_is_counted);
  tcase_add_test(tests, transfers_to_the_cpu_and_copies_are_counted);
  tcase_add_test(tests, what_the_cpu_wrote_last_time_does_not_come_over_a_copy);
  tcase_add_test(tests, an_upload_that_fails_costs_the_slot);
  return suite;
}

int main(int argc, char **argv) {
  gst_check_init(&argc, &argv);
  if (!SimulatedDriver() || !gst_cuda_load_library()) {
    g_print("skipped: only the simulated driver sees races\n");
    return kSkipped;
  }
  return gst_check_run_suite(cudacampool_uploads_suite(), "cudacampool-uploads", __FILE__);
}
