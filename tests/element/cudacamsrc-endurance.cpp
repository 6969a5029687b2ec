// SPDX-License-Identifier: LGPL-2.1-or-later
/// One camera lost and found again for as long as anybody likes: CUDACAM_TEST_RECONNECTS times
/// (100). On the simulated driver, which counts; skipped without it.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "camera-bench.hpp"
#include "frame/camera-event.h"
#include "gstcudacam.h"
#include "scale.hpp"
#include "support/check-main.hpp"
#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"
#include "test-camera.hpp"

#include <gst/check/gstcheck.h>

using cudacam::adopt;
using cudacam::test::at;
using cudacam::test::CameraBench;
using cudacam::test::count_entries;
using cudacam::test::number;
using cudacam::test::Output;
using cudacam::test::SimulatedDriver;
using cudacam::test::TestCamera;
using cudacam::test::TestCameraOptions;

namespace {

/// From then on nothing may grow.
constexpr guint64 kSettled = 10;

/// What could grow, each reconnect a little.
struct Resources {
  std::size_t heap, threads, files, device_allocations, device_bytes, contexts, streams, events;

  static Resources now() {
    const auto heap =
        mallinfo2();  // what is in use of it: how much it holds differs from time to time
    const SimulatedDriver driver;
    const auto count = [&](const char *name) { return std::size_t(driver.counter(name)); };
    return {heap.uordblks + heap.hblkhd,    count_entries("/proc/self/task"),
            count_entries("/proc/self/fd"), count("memory.live"),
            count("memory.bytes"),          count("context.live"),
            count("stream.live"),           count("event.live")};
  }
  bool is_within(const Resources &limit) const {
    return heap <= limit.heap && threads <= limit.threads && files <= limit.files &&
           device_allocations <= limit.device_allocations && device_bytes <= limit.device_bytes &&
           contexts <= limit.contexts && streams <= limit.streams && events <= limit.events;
  }
  Resources most(const Resources &other) const {
    return {std::max(heap, other.heap),
            std::max(threads, other.threads),
            std::max(files, other.files),
            std::max(device_allocations, other.device_allocations),
            std::max(device_bytes, other.device_bytes),
            std::max(contexts, other.contexts),
            std::max(streams, other.streams),
            std::max(events, other.events)};
  }
  std::string text() const {
    return std::to_string(heap >> 10) + " KiB of heap, " + std::to_string(threads) + " threads, " +
           std::to_string(files) + " files, " + std::to_string(device_allocations) +
           " device allocations of " + std::to_string(device_bytes) + " bytes, " +
           std::to_string(contexts) + " contexts, " + std::to_string(streams) + " streams, " +
           std::to_string(events) + " events";
  }
};

/// Looks at what the decoder is fed: each connection's first picture must be a key frame.
class KeyframeWatch {
 public:
  explicit KeyframeWatch(GstElement *decoder) {
    const auto input = adopt(gst_element_get_static_pad(decoder, "sink"));
    gst_pad_add_probe(
        input.get(),
        GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM), probe,
        this, nullptr);
  }
  unsigned begun() const { return begun_; }
  unsigned wrong() const { return wrong_; }

 private:
  static GstPadProbeReturn probe(GstPad *, GstPadProbeInfo *info, gpointer data) {
    auto *self = static_cast<KeyframeWatch *>(data);
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
      if (!self->drained_.exchange(false)) return GST_PAD_PROBE_OK;
      self->begun_++;
      const auto *picture = GST_PAD_PROBE_INFO_BUFFER(info);
      if (GST_BUFFER_FLAG_IS_SET(picture, GST_BUFFER_FLAG_DELTA_UNIT)) self->wrong_++;
    } else if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS) {
      self->drained_ = true;
    }
    return GST_PAD_PROBE_OK;
  }

  std::atomic<bool> drained_{false};
  std::atomic<unsigned> begun_{0}, wrong_{0};
};

/// The pixels as the device has them now: of a copy, since a mapped frame is downloaded once.
std::vector<guint8> pixels(GstCudaCamLease *lease) {
  const cudacam::BufferPtr copy(gst_buffer_copy_deep(gst_cuda_cam_lease_get_buffer(lease)));
  std::vector<guint8> bytes(gst_buffer_get_size(copy.get()));
  gst_buffer_extract(copy.get(), 0, bytes.data(), bytes.size());
  return bytes;
}

/// The first frame of the newest connection is younger than what the camera had sent at the loss.
void check_nothing_old(CameraBench &bench, uint32_t newest) {
  bench.wait("a look at the newest connection", [&](const auto &it) {
    for (auto output = it.outputs.rbegin(); output != it.outputs.rend(); ++output) {
      if (output->kind == Output::event && output->name == GST_CUDA_CAM_EVENT_CAMERA) break;
      if (output->number) fail_unless(static_cast<int32_t>(*output->number - newest) > 0);
    }
    return true;
  });
}

}  // namespace

GST_START_TEST(nothing_grows_and_nothing_is_made_anew) {
  const guint64 reconnects =
      std::max<guint64>(2 * kSettled, cudacam::test::scale("CUDACAM_TEST_RECONNECTS", 100));
  TestCameraOptions options;
  options.width = 256;
  options.height = 96;
  options.fps = 50;
  options.gop = 5;
  TestCamera camera(options);
  CameraBench bench(
      at(camera) + "latency=20 decoder=nvh264dec retry-min-delay=1000000",
      "cudacampool name=pool ! video/x-raw(memory:CUDAMemory) ! cudacamsink name=sink");
  bench.play();
  bench.wait_connection(1);
  const KeyframeWatch keyframes(bench.decoder().get());
  const auto sink = adopt(gst_bin_get_by_name(GST_BIN(bench.pipeline()), "sink"));
  auto *lease = gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink.get()), "reader",
                                            60 * GST_SECOND, nullptr);
  fail_unless(lease != nullptr);
  const auto before = pixels(lease);

  Resources limit{};
  for (guint64 i = 1; i <= reconnects; i++) {
    bench.wait_frames(2);
    i % 3 ? camera.close_connections() : camera.reset_connections();
    const auto newest = *camera.highest_number_at_close();
    bench.wait_connection(i + 1);
    check_nothing_old(bench, newest);
    bench.wait("one client", [&](const auto &) { return camera.clients() == 1; });
    bench.forget();
    if (i > kSettled / 2 && i <= kSettled) limit = limit.most(Resources::now());
  }
  // GLib and the camera, which is in this process, keep some 7 KiB of each client; a leak of a
  // connection's bin is 27 KiB.
  limit.heap += (512 + reconnects * 10) << 10;
  g_print("at most %s\n", limit.text().c_str());
  bench.wait("nothing more than after the first ten", [&](const auto &) {
    const auto now = Resources::now();
    if (now.is_within(limit)) return true;
    g_print("too much: %s\n", now.text().c_str());
    return false;
  });

  fail_unless(pixels(lease) == before);
  gst_cuda_cam_lease_unref(lease);
  const SimulatedDriver driver;
  fail_unless_equals_int64(driver.counter("decoder.created"), 1);
  fail_unless_equals_int64(driver.counter("decoder.destroyed"), 0);
  fail_unless_equals_uint64(bench.statistic<guint64>("decoders"), 1);
  fail_unless_equals_uint64(bench.statistic<guint64>("connections"), reconnects + 1);
  fail_unless_equals_uint64(bench.statistic<guint64>("outages"), reconnects);
  const auto pool = adopt(gst_bin_get_by_name(GST_BIN(bench.pipeline()), "pool"));
  fail_unless_equals_uint64(number(pool.get(), "generation"), 1);
  bench.set_state(GST_STATE_NULL);
  fail_unless_equals_int(keyframes.wrong(), 0);
  fail_unless_equals_uint64(keyframes.begun(), reconnects);
  fail_unless_equals_uint64(bench.checker.bad(), 0);
  fail_unless_equals_uint64(bench.losses, reconnects);
  fail_unless_equals_uint64(bench.segments, 1);
  fail_unless_equals_uint64(bench.eos + bench.flushes, 0);
  fail_unless(bench.errors.empty());
}
GST_END_TEST

static Suite *cudacamsrc_endurance_suite() {
  auto *suite = suite_create("cudacamsrc-endurance");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, nothing_grows_and_nothing_is_made_anew);
  return suite;
}

CHECK_MAIN_UNLESS(cudacamsrc_endurance, cudacam::test::no_simulated_driver())
