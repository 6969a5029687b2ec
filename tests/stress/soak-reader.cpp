// SPDX-License-Identifier: LGPL-2.1-or-later
#include "soak-reader.hpp"

#include <stdexcept>

namespace cudacam::soak {
namespace {

constexpr GstClockTime kWait = 200 * GST_MSECOND;
// Which frame is spoiled, and how many lie between two that are forgotten.
constexpr std::uint64_t kSpoiled = 20;
constexpr std::uint64_t kForgetEvery = 50;

}  // namespace

SoakReader::SoakReader(GstCudaCamLender *lender, SharedSums &shared, Settings settings)
    : lender_(lender),
      settings_(std::move(settings)),
      examiner_(settings_.kernels),
      judge_(shared) {
  if (settings_.queue) {
    GError *raw_error = nullptr;
    holder_ = gst_cuda_cam_holder_new(lender_, settings_.holder.c_str(),
                                      GST_CUDA_CAM_HOLDER_MODE_EVERY, settings_.queue, &raw_error);
    const ErrorPtr error(raw_error);
    if (!holder_) throw std::runtime_error(error->message);
  }
  thread_ = std::thread([this] { run(); });
}

SoakReader::~SoakReader() {
  stop();
  if (holder_) gst_cuda_cam_holder_unref(holder_);
}

void SoakReader::stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

LeasePtr SoakReader::acquire() {
  GError *raw_error = nullptr;
  LeasePtr lease(
      holder_ ? gst_cuda_cam_holder_acquire(holder_, kWait, &raw_error)
              : gst_cuda_cam_lender_acquire(lender_, settings_.holder.c_str(), kWait, &raw_error));
  const ErrorPtr error(raw_error);
  if (!lease &&
      !g_error_matches(error.get(), GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_TIMEOUT))
    throw std::runtime_error(std::string("no lease: ") + error->message);
  return lease;
}

void SoakReader::run() {
  try {
    while (!stop_)
      if (auto lease = acquire()) read(std::move(lease));
  } catch (const test::CudaFailure &failure) {
    ++cuda_errors_;
    failure_ = settings_.holder + ": " + failure.what();
  } catch (const std::exception &failure) {
    failure_ = settings_.holder + ": " + failure.what();
  }
}

void SoakReader::read(LeasePtr lease) {
  const GstCudaCamFrameMeta *meta = gst_cuda_cam_lease_get_frame_meta(lease.get());
  if (!meta) throw std::runtime_error("a frame without meta");
  const std::uint64_t connection = meta->connection;
  const std::uint64_t sequence = meta->sequence;
  const auto now = Clock::now();
  const Look first = examiner_.look(lease.get());
  ++frames_;
  if (settings_.spoils && frames_ == kSpoiled) examiner_.spoil(lease.get());
  std::this_thread::sleep_for(settings_.hold);
  const bool forgets = forgotten_.size() < settings_.forgets && frames_ % kForgetEvery == 0;
  const Look last = settings_.releases_early && !forgets ? examiner_.look_and_release(lease.get())
                                                         : examiner_.look(lease.get());
  if (judge_.judge(sequence, first, last)) {
    gaps_.frame(now, connection);
    has_frame_ = true;
  }
  if (forgets) forgotten_.push_back({std::move(lease), last});
}

}  // namespace cudacam::soak
