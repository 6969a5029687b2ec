// SPDX-License-Identifier: LGPL-2.1-or-later
/// 16 readers on 8 cameras, with everything that may happen to a sink at once. What it finds
/// without a sanitizer is a frame that changes under its reader or a count that is wrong in the
/// end; with ThreadSanitizer, races.
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "lease-bench.hpp"

using namespace cudacam::test;
using cudacam::StructurePtr;

namespace {

constexpr unsigned kCameras = 8;
constexpr unsigned kReaders = 16;
constexpr unsigned kFrames = 400;  // of each camera

using Benches = std::vector<std::unique_ptr<LeaseBench>>;

/// All bytes of a frame have one value, which its number tells.
void check(const LeasePtr &lease) {
  const auto sequence = gst_cuda_cam_lease_get_frame_meta(lease.get())->sequence;
  guint8 bytes[16];
  gst_buffer_extract(gst_cuda_cam_lease_get_buffer(lease.get()), 0, bytes, sizeof bytes);
  for (const auto byte : bytes) fail_unless_equals_int(byte, sequence % 256);
}

/// Takes frames of all cameras, keeps some for a while and releases them in another order.
void read(const Benches &benches, unsigned number, const std::atomic<bool> &done,
          std::atomic<unsigned> &taken) {
  std::mt19937 random(number);
  const auto name = "reader" + std::to_string(number);
  std::vector<LeasePtr> kept;
  while (!done) {
    auto lease = benches[random() % kCameras]->acquire(name.c_str(), GST_MSECOND);
    if (!lease) continue;
    ++taken;
    check(lease);
    kept.push_back(std::move(lease));
    if (kept.size() < 3) continue;
    const auto which = random() % kept.size();
    check(kept[which]);
    kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(which));
  }
}

/// What an application may do besides.
void trouble(const Benches &benches, const std::atomic<bool> &done) {
  std::mt19937 random(99);
  while (!done) {
    auto &bench = *benches[random() % kCameras];
    switch (random() % 5) {
      case 0:
        bench.drain(GST_MSECOND);
        break;
      case 1:
        bench.revoke(random() % 2 ? "reader1" : nullptr);
        break;
      case 2:
        bench.every("recorder", 2);  // and away with it
        break;
      case 3:
        statistics(bench.sink());
        break;
      default: {
        const cudacam::QueryPtr query(gst_cuda_cam_query_new_outstanding());
        gst_element_query(bench.sink(), query.get());
      }
    }
    std::this_thread::yield();
  }
}

}  // namespace

GST_START_TEST(sixteen_readers_on_eight_cameras) {
  Benches benches;
  for (unsigned i = 0; i < kCameras; ++i)
    benches.push_back(std::make_unique<LeaseBench>("cudacampool slots=64 ! cudacamsink"));
  std::atomic<bool> done{false};
  std::vector<std::atomic<unsigned>> taken(kReaders);
  std::vector<std::thread> readers, cameras;
  for (unsigned i = 0; i < kReaders; ++i)
    readers.emplace_back([&, i] { read(benches, i, done, taken[i]); });
  readers.emplace_back([&] { trouble(benches, done); });
  for (const auto &bench : benches)
    cameras.emplace_back([&bench = *bench] {
      for (unsigned i = 0; i < kFrames; ++i) {
        bench.push(static_cast<guint8>(i % 256));
        std::this_thread::yield();
      }
    });
  for (auto &camera : cameras) camera.join();
  // Each frame that is left is one that some reader has not seen: nobody needs to come too late.
  for (auto &count : taken)
    while (!count) {
      for (const auto &bench : benches)
        bench->push(static_cast<guint8>(number(bench->sink(), "frames") % 256));
      std::this_thread::yield();
    }
  done = true;
  for (auto &reader : readers) reader.join();
  for (const auto &bench : benches) {
    auto *sink = bench->sink();
    fail_unless_equals_uint64(number(sink, "outstanding"), 0);
    fail_unless_equals_uint64(number(sink, "lost"), 0);
    fail_unless_equals_uint64(number(sink, "leases"),
                              number(sink, "released") + number(sink, "revoked"));
    fail_unless(flag(bench->drain(0), "drained"));
    auto *pool = gst_harness_find_element(bench->harness(), "cudacampool");
    fail_unless_equals_uint64(number(pool, "slots-published"), 0);
    gst_object_unref(pool);
  }
}
GST_END_TEST

static Suite *lease_stress_suite() {
  auto *suite = suite_create("lease-stress");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, sixteen_readers_on_eight_cameras);
  return suite;
}

GST_CHECK_MAIN(lease_stress)
