// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacamsink does about readers: revocation, reports, samples, the way to READY.
#include <pthread.h>

#include <future>
#include <thread>
#include <vector>

#include "lease-bench.hpp"

using namespace cudacam::test;
using cudacam::StructurePtr;

namespace {

/// The bus of an element, for its lifetime.
class Bus {
 public:
  explicit Bus(GstElement *element) : element_(element), bus_(gst_bus_new()) {
    gst_element_set_bus(element_, bus_);
  }
  ~Bus() {
    gst_element_set_bus(element_, nullptr);
    gst_object_unref(bus_);
  }
  Bus(const Bus &) = delete;
  Bus &operator=(const Bus &) = delete;
  cudacam::MessagePtr wait(GstMessageType type) {
    return cudacam::MessagePtr(gst_bus_timed_pop_filtered(bus_, kLong, type));
  }
  bool has(GstMessageType type) {
    return cudacam::MessagePtr(gst_bus_pop_filtered(bus_, type)) != nullptr;
  }

 private:
  GstElement *element_;
  GstBus *bus_;
};

/// While it lives, no thread can be made: nobody has the memory for stacks of this size.
class NoThreads {
 public:
  NoThreads() {
    pthread_attr_t huge;
    pthread_attr_init(&huge);
    pthread_attr_setstacksize(&huge, std::size_t{1} << 47);
    fail_unless_equals_int(pthread_getattr_default_np(&before_), 0);
    fail_unless_equals_int(pthread_setattr_default_np(&huge), 0);
    pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }
  NoThreads(const NoThreads &) = delete;
  NoThreads &operator=(const NoThreads &) = delete;

 private:
  pthread_attr_t before_;
};

void push_camera_event(LeaseBench &bench, guint64 connection, gboolean streaming) {
  gst_harness_push_event(bench.harness(),
                         gst_cuda_cam_event_new_camera("door", connection, streaming,
                                                       streaming ? nullptr : "cable pulled"));
}

}  // namespace

GST_START_TEST(revoking_ends_the_wait_not_the_frame) {
  LeaseBench bench;
  bench.push(1);
  auto stuck = bench.acquire("stuck");
  const auto other = bench.acquire("other");
  fail_unless(!gst_cuda_cam_lease_is_revoked(stuck.get()));
  fail_unless_equals_int(bench.revoke("stuck"), 1);
  fail_unless(gst_cuda_cam_lease_is_revoked(stuck.get()));
  fail_unless(!gst_cuda_cam_lease_is_revoked(other.get()));
  fail_unless_equals_uint64(number(bench.sink(), "lost"), 1);
  fail_unless_equals_uint64(number(bench.sink(), "outstanding"), 1);
  for (guint8 i = 2; i < 50; ++i) bench.push(i);
  fail_unless_equals_int(value(stuck), 1);
  fail_unless_equals_int(bench.revoke(nullptr), 1);
  fail_unless(flag(bench.drain(kLong), "drained"));
  gst_cuda_cam_lease_release(stuck.get());
  fail_unless(gst_cuda_cam_lease_is_revoked(stuck.get()));
  fail_unless_equals_uint64(number(bench.sink(), "lost"), 1);
  fail_unless_equals_uint64(holder_number(bench.sink(), "stuck", "revoked"), 1);
}
GST_END_TEST

GST_START_TEST(an_overdue_lease_is_reported_once) {
  LeaseBench bench("cudacampool ! cudacamsink lease-timeout=1");
  Bus bus(bench.sink());
  std::promise<std::string> told;
  g_signal_connect(bench.sink(), "lease-overdue",
                   G_CALLBACK(+[](GstElement *, const gchar *holder, guint64,
                                  std::promise<std::string> *promise) {
                     promise->set_value(holder);  // throws at a second call
                   }),
                   &told);
  bench.push(1);
  const auto lease = bench.acquire("slow");
  const auto message = bus.wait(GST_MESSAGE_ELEMENT);
  const auto *fields = gst_message_get_structure(message.get());
  guint64 age = 0;
  fail_unless(gst_structure_has_name(fields, "cudacam-lease-overdue"));
  fail_unless_equals_string(gst_structure_get_string(fields, "holder"), "slow");
  fail_unless(gst_structure_get_uint64(fields, "age", &age) && age >= 1);
  fail_unless(told.get_future().get() == "slow");
  fail_unless_equals_uint64(holder_number(bench.sink(), "slow", "overdue"), 1);
  gst_element_set_state(bench.harness()->element, GST_STATE_NULL);  // ends the watch
  fail_unless(!bus.has(GST_MESSAGE_ELEMENT));
}
GST_END_TEST

GST_START_TEST(a_lease_timeout_set_later_holds_for_leases_that_are_out) {
  LeaseBench bench;
  Bus bus(bench.sink());
  bench.push(1);
  const auto lease = bench.acquire("slow");
  g_object_set(bench.sink(), "lease-timeout", kLong, nullptr);
  g_object_set(bench.sink(), "lease-timeout", guint64{0}, nullptr);
  g_object_set(bench.sink(), "lease-timeout", guint64{1}, nullptr);
  fail_unless(bus.wait(GST_MESSAGE_ELEMENT) != nullptr);
}
GST_END_TEST

GST_START_TEST(a_sink_that_is_started_again_watches_its_leases_again) {
  LeaseBench bench("cudacamsink lease-timeout=1");
  Bus bus(bench.sink());
  for (const char *holder : {"first", "second"}) {
    bench.push(1);
    const auto lease = bench.acquire(holder);
    fail_unless(lease != nullptr);
    const auto message = bus.wait(GST_MESSAGE_ELEMENT);
    fail_unless(message != nullptr);
    fail_unless_equals_string(
        gst_structure_get_string(gst_message_get_structure(message.get()), "holder"), holder);
    gst_element_set_state(bench.harness()->element, GST_STATE_NULL);
    gst_element_set_state(bench.harness()->element, GST_STATE_PLAYING);
    gst_harness_set_src_caps_str(bench.harness(), kCaps);
  }
}
GST_END_TEST

GST_START_TEST(without_a_lease_timeout_no_lease_is_overdue) {
  LeaseBench bench("cudacampool ! cudacamsink lease-timeout=1");
  Bus bus(bench.sink());
  bench.push(1);
  const auto slow = bench.acquire("slow");
  fail_unless(bus.wait(GST_MESSAGE_ELEMENT) != nullptr);  // the watch is there
  g_object_set(bench.sink(), "lease-timeout", guint64{0}, nullptr);
  const auto lease = bench.acquire("free");
  // Lets time pass, in which a watch that is wrong would find the lease overdue.
  fail_unless(!flag(bench.drain(20 * GST_MSECOND), "drained"));
  fail_unless_equals_uint64(holder_number(bench.sink(), "free", "overdue"), 0);
}
GST_END_TEST

GST_START_TEST(a_watch_that_cannot_be_made_is_an_error_and_not_the_end_of_the_process) {
  LeaseBench bench("cudacamsink");
  Bus bus(bench.sink());
  {
    const NoThreads none;
    g_object_set(bench.sink(), "lease-timeout", kLong, nullptr);
  }
  fail_unless(bus.wait(GST_MESSAGE_ERROR) != nullptr);
  gst_element_set_state(bench.sink(), GST_STATE_READY);
  {
    const NoThreads none;
    fail_unless_equals_int(gst_element_set_state(bench.sink(), GST_STATE_PLAYING),
                           GST_STATE_CHANGE_FAILURE);
  }
  fail_unless(bus.wait(GST_MESSAGE_ERROR) != nullptr);
  GError *error = nullptr;
  fail_unless(!bench.acquire("reader", kLong, &error));  // it does not run
  expect_error(error, GST_CUDA_CAM_LEASE_ERROR_STOPPED);
  fail_unless_equals_int(gst_element_set_state(bench.sink(), GST_STATE_PLAYING),
                         GST_STATE_CHANGE_SUCCESS);
}
GST_END_TEST

GST_START_TEST(a_reconnect_drains_if_there_is_time_for_it) {
  for (const bool drains : {false, true}) {
    LeaseBench bench;
    g_object_set(bench.sink(), "drain-timeout", guint64{drains}, nullptr);
    bench.push(1);
    gboolean taken = FALSE;
    g_signal_emit_by_name(bench.sink(), "reconnect", &taken);
    fail_unless((bench.acquire("reader") == nullptr) == drains);  // a drain forgets the frame
  }
}
GST_END_TEST

GST_START_TEST(signals_tell_of_frames_and_drains) {
  LeaseBench bench;
  int frames = 0;
  std::vector<bool> drained;
  g_signal_connect(bench.sink(), "new-frame",
                   G_CALLBACK(+[](GstElement *, int *count) { ++*count; }), &frames);
  g_signal_connect(bench.sink(), "drained",
                   G_CALLBACK(+[](GstElement *, GstStructure *answer, std::vector<bool> *list) {
                     gboolean complete = FALSE;
                     gst_structure_get_boolean(answer, "drained", &complete);
                     list->push_back(complete);
                   }),
                   &drained);
  bench.push(1);
  bench.push(2);
  fail_unless_equals_int(frames, 2);
  auto lease = bench.acquire("reader");
  bench.drain(0);
  lease.reset();
  bench.drain(0);
  fail_unless(drained == std::vector<bool>({false, true}));
}
GST_END_TEST

GST_START_TEST(signals_tell_of_the_camera) {
  LeaseBench bench;
  std::vector<std::string> told;
  g_signal_connect(bench.sink(), "camera-back",
                   G_CALLBACK(+[](GstElement *, const gchar *camera, guint64 connection,
                                  std::vector<std::string> *list) {
                     list->push_back(camera + std::to_string(connection));
                   }),
                   &told);
  g_signal_connect(bench.sink(), "camera-lost",
                   G_CALLBACK(+[](GstElement *, const gchar *camera, const gchar *reason,
                                  std::vector<std::string> *list) {
                     list->push_back(std::string(camera) + ": " + reason);
                   }),
                   &told);
  push_camera_event(bench, 1, TRUE);
  push_camera_event(bench, 1, TRUE);  // as after linking anew
  push_camera_event(bench, 1, FALSE);
  push_camera_event(bench, 2, TRUE);
  fail_unless(told == std::vector<std::string>({"door1", "door: cable pulled", "door2"}));
}
GST_END_TEST

GST_START_TEST(the_way_to_ready_waits_for_leases_but_not_for_long) {
  LeaseBench bench("cudacampool ! cudacamsink drain-timeout=60000000000");
  bench.push(1);
  auto lease = bench.acquire("reader");
  auto stopping = std::async(std::launch::async,
                             [&] { return gst_element_set_state(bench.sink(), GST_STATE_READY); });
  GError *error = nullptr;
  fail_unless(!bench.acquire("reader", kLong, &error));
  expect_error(error, GST_CUDA_CAM_LEASE_ERROR_STOPPED);
  // Time for one that does not wait to come to its end.
  fail_unless(stopping.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
  lease.reset();
  fail_unless_equals_int(stopping.get(), GST_STATE_CHANGE_SUCCESS);

  LeaseBench hasty("cudacampool ! cudacamsink drain-timeout=1");
  hasty.push(1);
  const auto kept = hasty.acquire("reader");
  fail_unless_equals_int(gst_element_set_state(hasty.sink(), GST_STATE_READY),
                         GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int(value(kept), 1);
  fail_unless_equals_uint64(number(hasty.sink(), "outstanding"), 1);
}
GST_END_TEST

GST_START_TEST(planes_are_readable_without_gstreamer) {
  LeaseBench bench;
  gst_harness_set_src_caps_str(bench.harness(),
                               "video/x-raw,format=NV12,width=6,height=4,framerate=30/1");
  auto *frame = gst_harness_create_buffer(bench.harness(), 48);  // pitch 8, UV from byte 32
  gst_buffer_memset(frame, 0, 1, 32);
  gst_buffer_memset(frame, 32, 2, 16);
  gst_harness_push(bench.harness(), frame);
  const auto lease = bench.acquire("reader");
  GstCudaCamPlane plane{};
  for (guint i = 0; i < 2; ++i) {
    fail_unless(gst_cuda_cam_lease_get_plane(lease.get(), i, &plane));
    fail_unless_equals_uint64(plane.pitch, 8);
    fail_unless_equals_uint64(plane.row_bytes, 6);
    fail_unless_equals_int(plane.rows, i ? 2 : 4);
    fail_unless(!plane.on_gpu);
    const auto *last = reinterpret_cast<const guint8 *>(static_cast<guintptr>(plane.address)) +
                       plane.pitch * (plane.rows - 1) + plane.row_bytes - 1;
    fail_unless_equals_int(*last, i + 1);
  }
  fail_unless(!gst_cuda_cam_lease_get_plane(lease.get(), 2, &plane));
  gst_cuda_cam_lease_release(lease.get());
  fail_unless(!gst_cuda_cam_lease_get_plane(lease.get(), 0, &plane));
}
GST_END_TEST

GST_START_TEST(samples_are_for_those_who_want_no_leases) {
  LeaseBench bench("cudacampool slots=4 name=pool ! cudacamsink");
  const auto pull = [&](guint64 timeout) {
    GstSample *sample = nullptr;
    g_signal_emit_by_name(bench.sink(), "try-pull-sample", timeout, &sample);
    return sample;
  };
  fail_unless(!pull(0));
  bench.push(1);
  bench.push(2);
  auto *sample = pull(kLong);
  fail_unless(!pull(0));  // it was pulled before
  auto *buffer = gst_sample_get_buffer(sample);
  guint8 byte = 0;
  for (guint8 i = 3; i < 20; ++i) bench.push(i);
  gst_buffer_extract(buffer, 0, &byte, 1);
  fail_unless_equals_int(byte, 2);
  auto *caps = gst_caps_from_string(kCaps);
  fail_unless(gst_caps_can_intersect(gst_sample_get_caps(sample), caps));
  gst_caps_unref(caps);
  fail_unless(flag(bench.drain(kLong), "drained"));  // nobody waits for samples
  auto waiting = std::async(std::launch::async, [&] { return pull(kLong); });
  await_waiting_reader(bench.sink());
  bench.push(20);
  gst_sample_unref(waiting.get());
  gst_sample_unref(sample);
  gst_element_set_state(bench.sink(), GST_STATE_READY);
  fail_unless(!pull(kLong));
}
GST_END_TEST

static Suite *lease_control_suite() {
  auto *suite = suite_create("lease-control");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, revoking_ends_the_wait_not_the_frame);
  tcase_add_test(tests, an_overdue_lease_is_reported_once);
  tcase_add_test(tests, a_lease_timeout_set_later_holds_for_leases_that_are_out);
  tcase_add_test(tests, a_sink_that_is_started_again_watches_its_leases_again);
  tcase_add_test(tests, without_a_lease_timeout_no_lease_is_overdue);
  tcase_add_test(tests, a_watch_that_cannot_be_made_is_an_error_and_not_the_end_of_the_process);
  tcase_add_test(tests, a_reconnect_drains_if_there_is_time_for_it);
  tcase_add_test(tests, signals_tell_of_frames_and_drains);
  tcase_add_test(tests, signals_tell_of_the_camera);
  tcase_add_test(tests, the_way_to_ready_waits_for_leases_but_not_for_long);
  tcase_add_test(tests, planes_are_readable_without_gstreamer);
  tcase_add_test(tests, samples_are_for_those_who_want_no_leases);
  return suite;
}

GST_CHECK_MAIN(lease_control)
