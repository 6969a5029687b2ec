// SPDX-License-Identifier: LGPL-2.1-or-later
/// forgetful-reader [cuda] ENDING: a program that takes leases and does not return them in time.
/// How it ends is what the test wants to know; it prints "ready" when it holds what it will.
///
///   teardown  pipeline to NULL and gone; then most leases released, in random order, by threads
///   exit      exit() while frames flow, readers wait and leases are out
///   signal    streams until SIGTERM; its handler's work is done by the main thread, which calls
///             exit() like a program that knows nothing of leases
#include <gst/gst.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gstcudacam.h"

namespace {

constexpr std::size_t kLeases = 70;
constexpr std::size_t kNeverReleased = 10;
constexpr GstClockTime kLong = 60 * GST_SECOND;

GstElement *start_pipeline(bool cuda) {
  // Two pools, because one has no more than 64 slots.
  const auto launch =
      std::string(
          "videotestsrc is-live=true ! "
          "video/x-raw,format=NV12,width=16,height=16,framerate=200/1 ! tee name=t ") +
      (cuda ? "t. ! cudaupload ! " : "t. ! ") +
      "cudacampool slots=48 ! cudacamsink name=a lease-timeout=1000000 " +
      (cuda ? "t. ! cudaupload ! " : "t. ! ") +
      "cudacampool slots=48 ! cudacamsink name=b lease-timeout=1000000";
  auto *pipeline = gst_parse_launch(launch.c_str(), nullptr);
  if (!pipeline) std::exit(77);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  return pipeline;
}

std::vector<GstCudaCamLease *> forget(GstElement *pipeline) {
  std::vector<GstCudaCamLease *> leases;
  for (const char *name : {"a", "b"}) {
    auto *sink = gst_bin_get_by_name(GST_BIN(pipeline), name);
    for (std::size_t i = 0; i < kLeases / 2; ++i) {
      auto *lease =
          gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink), "forgetful", kLong, nullptr);
      if (!lease) std::abort();
      leases.push_back(lease);
    }
    // And one who will wait when the end comes, again and again.
    std::thread([sink] {
      for (;;) {
        auto *lease =
            gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink), "waiting", kLong, nullptr);
        if (!lease) return gst_object_unref(sink);
        gst_cuda_cam_lease_unref(lease);
      }
    }).detach();
  }
  return leases;
}

void say_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

/// All but some, from two threads.
void release_late(std::vector<GstCudaCamLease *> leases) {
  std::shuffle(leases.begin(), leases.end(), std::mt19937(7));
  leases.resize(kLeases - kNeverReleased);
  const auto release = [&](std::size_t from) {
    for (auto i = from; i < leases.size(); i += 2) {
      GstMapInfo map;
      auto *frame = gst_cuda_cam_lease_get_buffer(leases[i]);
      if (!gst_buffer_map(frame, &map, GST_MAP_READ)) std::abort();
      gst_buffer_unmap(frame, &map);
      gst_cuda_cam_lease_unref(leases[i]);
    }
  };
  std::thread one(release, 0);
  std::thread other(release, 1);
  one.join();
  other.join();
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  const bool cuda = !std::strcmp(argv[1], "cuda");
  const char *ending = argv[argc - 1];
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  if (!std::strcmp(ending, "signal")) pthread_sigmask(SIG_BLOCK, &term, nullptr);

  gst_init(nullptr, nullptr);
  auto *pipeline = start_pipeline(cuda);
  // Never destroyed, so that leak checks at exit reach what is forgotten on purpose.
  static const auto *const leases = new std::vector<GstCudaCamLease *>(forget(pipeline));
  say_ready();
  if (!std::strcmp(ending, "teardown")) {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    release_late(*leases);
    return 0;
  }
  if (!std::strcmp(ending, "signal")) {
    int received = 0;
    sigwait(&term, &received);
  }
  std::exit(0);
}
