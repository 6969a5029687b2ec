// SPDX-License-Identifier: LGPL-2.1-or-later
/// Two inference threads on one camera: two-threads PIPELINE FRAMES
///
/// The detector wants the newest frame and may be slow; the recorder wants every one. Each stops
/// after FRAMES frames. Pixels are read on the CPU here, so the pipeline has `video/x-raw` before
/// its cudacampool; on the GPU, `plane.address` is the device pointer to launch a kernel with, and
/// the lease ends after that kernel has.
#include <gst/gst.h>
#include <gstcudacam.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>

namespace {

template <auto Free>
struct With {
  template <class T>
  void operator()(T *it) const {
    Free(it);
  }
};
using Element = std::unique_ptr<GstElement, With<gst_object_unref>>;
using Lease = std::unique_ptr<GstCudaCamLease, With<gst_cuda_cam_lease_unref>>;
using Holder = std::unique_ptr<GstCudaCamHolder, With<gst_cuda_cam_holder_unref>>;

constexpr GstClockTime kPatience = 10 * GST_SECOND;

/// Stands for inference: something that reads all pixels.
unsigned long infer(const GstCudaCamPlane &plane) {
  unsigned long sum = 0;
  const auto *row = reinterpret_cast<const guint8 *>(static_cast<guintptr>(plane.address));
  for (guint y = 0; y < plane.rows; ++y, row += plane.pitch)
    for (guint64 x = 0; x < plane.row_bytes; ++x) sum += row[x];
  return sum;
}

/// `error`: the reason, or null; taken over.
void complain(const char *what, GError *error = nullptr) {
  std::fprintf(stderr, "%s%s%s\n", what, error ? ": " : "", error ? error->message : "");
  g_clear_error(&error);
}

/// Reads `frames` frames that `acquire` gives; the gaps between them. -1: one did not come.
long read_frames(int frames, const std::function<Lease(GError **)> &acquire) {
  long gaps = 0;
  guint64 next = 0;
  for (int i = 0; i < frames; ++i) {
    GError *error = nullptr;
    const auto lease = acquire(&error);
    if (!lease) {
      complain("no frame", error);
      return -1;
    }
    GstCudaCamPlane plane;
    if (!gst_cuda_cam_lease_get_plane(lease.get(), 0, &plane) || plane.on_gpu) {
      complain("the frames are not in system memory: put video/x-raw before cudacampool");
      return -1;
    }
    infer(plane);
    const auto *meta = gst_cuda_cam_lease_get_frame_meta(lease.get());
    if (meta && i && meta->sequence != next) gaps += static_cast<long>(meta->sequence - next);
    if (meta) next = meta->sequence + 1;
  }
  return gaps;
}

}  // namespace

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc != 3) {
    std::fprintf(stderr, "usage: two-threads PIPELINE FRAMES\n");
    return 2;
  }
  GError *error = nullptr;
  const Element pipeline(gst_parse_launch(argv[1], &error));
  if (!pipeline) {
    complain("no pipeline", error);
    return 1;
  }
  const Element sink(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink"));
  if (!sink) {
    complain("the pipeline needs a cudacamsink name=sink");
    return 1;
  }
  auto *lender = GST_CUDA_CAM_LENDER(sink.get());
  const int frames = std::atoi(argv[2]);

  // Before the first frame, so that it misses none.
  const Holder recorder(
      gst_cuda_cam_holder_new(lender, "recorder", GST_CUDA_CAM_HOLDER_MODE_EVERY, 4, nullptr));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);

  long skipped = 0;
  std::thread detector([&] {
    skipped = read_frames(frames, [&](GError **why) {
      return Lease(gst_cuda_cam_lender_acquire(lender, "detector", kPatience, why));
    });
  });
  const long missed = read_frames(frames, [&](GError **why) {
    return Lease(gst_cuda_cam_holder_acquire(recorder.get(), kPatience, why));
  });
  detector.join();
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  std::printf("detector skipped %ld, recorder missed %ld\n", skipped, missed);
  return skipped < 0 || missed < 0;
}
