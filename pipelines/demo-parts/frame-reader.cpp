// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame-reader.hpp"

#include <gst/video/video.h>

#include "base/ptr.hpp"

namespace cudacam::demo {
namespace {

constexpr GstClockTime kWait = 200 * GST_MSECOND;

using LeasePtr = std::unique_ptr<GstCudaCamLease, decltype(&gst_cuda_cam_lease_unref)>;

/// What a picture shows now.
struct Look {
  test::FrameReading reading;
  std::uint64_t fingerprint = 0;  // of every 16th line
  bool mapped = false;

  bool same_picture(const Look &other) const { return fingerprint == other.fingerprint; }
};

std::uint64_t fingerprint_of(const test::ConstLumaPlane &plane) {
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (int y = 0; y < plane.height; y += 16)
    for (int x = 0; x < plane.width; ++x)
      hash = (hash ^ plane.data[plane.stride * y + x]) * 1099511628211u;
  return hash;
}

Look look_at(GstCudaCamLease *lease) {
  Look look;
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps(&info, gst_cuda_cam_lease_get_caps(lease)) ||
      !gst_video_frame_map(&frame, &info, gst_cuda_cam_lease_get_buffer(lease), GST_MAP_READ))
    return look;
  const test::ConstLumaPlane luma = {
      static_cast<const uint8_t *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)),
      GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), GST_VIDEO_FRAME_WIDTH(&frame),
      GST_VIDEO_FRAME_HEIGHT(&frame)};
  look.reading = test::read_frame_number(luma);
  look.fingerprint = fingerprint_of(luma);
  look.mapped = true;
  gst_video_frame_unmap(&frame);
  return look;
}

}  // namespace

FrameReader::FrameReader(GstCudaCamLender *lender, CameraRecord &record, Settings settings)
    : lender_(lender), record_(record), settings_(std::move(settings)) {
  thread_ = std::thread([this] { run(); });
}

FrameReader::~FrameReader() {
  stop_ = true;
  thread_.join();
}

void FrameReader::run() {
  while (!stop_) {
    GError *raw_error = nullptr;
    const LeasePtr lease(
        gst_cuda_cam_lender_acquire(lender_, settings_.holder.c_str(), kWait, &raw_error),
        gst_cuda_cam_lease_unref);
    const ErrorPtr error(raw_error);
    if (lease)
      read(lease.get());
    else if (!g_error_matches(error.get(), GST_CUDA_CAM_LEASE_ERROR,
                              GST_CUDA_CAM_LEASE_ERROR_TIMEOUT))
      std::this_thread::sleep_for(std::chrono::nanoseconds(kWait));
  }
}

void FrameReader::read(GstCudaCamLease *lease) {
  const Look before = look_at(lease);
  std::this_thread::sleep_for(settings_.work);
  const Look after = look_at(lease);
  if (!before.mapped || !after.mapped) return bad("a frame could not be mapped for reading");
  if (!before.same_picture(after)) return bad("a frame changed while it was held");
  if (settings_.numbered)
    judge_number(after.reading);
  else
    judge_order(lease);
}

void FrameReader::judge_number(const test::FrameReading &reading) {
  if (checker_.check(reading) == test::FrameVerdict::kGood) return record_.good_frame(Clock::now());
  bad(checker_.explanations().empty() ? "a bad frame" : checker_.explanations().back());
}

void FrameReader::judge_order(GstCudaCamLease *lease) {
  const GstCudaCamFrameMeta *meta = gst_cuda_cam_lease_get_frame_meta(lease);
  if (!meta) return bad("a frame does not say its sequence number");
  const bool in_order = !last_sequence_ || meta->sequence > *last_sequence_;
  last_sequence_ = meta->sequence;
  if (in_order) return record_.good_frame(Clock::now());
  bad("a frame came out of order");
}

void FrameReader::bad(const std::string &what) {
  record_.bad_frame(settings_.holder + ": " + what);
}

}  // namespace cudacam::demo
