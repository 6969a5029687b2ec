// SPDX-License-Identifier: LGPL-2.1-or-later
#include "soak-camera.hpp"

#include <algorithm>
#include <stdexcept>

#include "shared-context.hpp"

namespace cudacam::soak {
namespace {

// Shorter than the defaults: many outages in a short time.
constexpr const char *kSource =
    "stall-timeout=2000000000 retry-min-delay=200000000 retry-max-delay=1000000000";
constexpr const char *kLeaseTimeout = "3000000000";
constexpr unsigned kQueue = 3;

StructurePtr statistics_of(GstElement *element) {
  GstStructure *statistics = nullptr;
  g_object_get(element, "statistics", &statistics, nullptr);
  return StructurePtr(statistics);
}

guint64 number(const StructurePtr &statistics, const char *field) {
  guint64 value = 0;
  gst_structure_get_uint64(statistics.get(), field, &value);
  return value;
}

std::string text(const StructurePtr &statistics, const char *field) {
  const char *value = gst_structure_get_string(statistics.get(), field);
  return value ? value : "";
}

/// Of the quick reader every frame is asked for, of the others what they have time for.
SoakReader::Settings reader_settings(const CameraSettings &camera, unsigned index) {
  static constexpr int kHolds[] = {0, 20, 60, 150};
  SoakReader::Settings settings;
  settings.holder = "reader-" + std::to_string(index + 1);
  settings.hold = std::chrono::milliseconds(kHolds[index % 4]);
  settings.queue = index % 4 == 1 ? kQueue : 0;
  settings.releases_early = index % 2 == 0;
  settings.forgets = index == 0 ? camera.forgets : 0;
  settings.spoils = index == 0 && camera.spoils;
  settings.kernels = camera.kernels;
  return settings;
}

/// What readers hold and have queued, the sink's newest, one that is written and one to spare.
unsigned slots_for(const CameraSettings &camera) {
  return camera.readers + (camera.readers + 2) / 4 * kQueue + 3 + camera.forgets;
}

}  // namespace

SoakCamera::SoakCamera(CameraSettings settings)
    : settings_(std::move(settings)), process_(test::find_testcam(), settings_.testcam_options) {
  process_.start();
}

SoakCamera::~SoakCamera() {
  readers_.clear();
  stop_pipeline();
}

void SoakCamera::play() {
  const std::string launch =
      "cudacamsrc name=source location=" + process_.url() + " camera-name=" + settings_.name + " " +
      kSource + " ! cudacampool name=pool slots=" + std::to_string(slots_for(settings_)) +
      " ! cudacamsink name=sink lease-timeout=" + kLeaseTimeout;
  GError *raw_error = nullptr;
  pipeline_ = cudacam::sink(gst_parse_launch(launch.c_str(), &raw_error));
  const ErrorPtr error(raw_error);
  if (error) throw std::runtime_error(error->message);
  source_ = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "source"));
  pool_ = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "pool"));
  sink_ = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "sink"));
  test::share_context(pipeline_.get());
  if (gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    throw std::runtime_error(settings_.name + " does not start: " + failure());
  for (unsigned i = 0; i < settings_.readers; ++i)
    readers_.push_back(std::make_unique<SoakReader>(GST_CUDA_CAM_LENDER(sink_.get()), sums_,
                                                    reader_settings(settings_, i)));
}

void SoakCamera::begin(Trouble trouble, Clock::time_point now) {
  for (const auto &reader : readers_) reader->gaps().outage_begins(now);
  active_ = Active{trouble, now + std::chrono::milliseconds(int(duration(trouble) * 1000))};
  switch (trouble) {
    case Trouble::kEndOfFile:
      return process_.command("close");
    case Trouble::kReset:
      return process_.command("reset");
    case Trouble::kKill:
      return process_.kill();
    case Trouble::kBye:
      return process_.command("eos");
    case Trouble::kFreeze:
      return process_.command("freeze");
    case Trouble::kNotFound:
      process_.command("notfound on");
      return process_.command("close");
    case Trouble::kStop:
      return process_.freeze();
    case Trouble::kPortClosed:
      return process_.command("stop");
  }
}

void SoakCamera::end_trouble() {
  switch (active_->trouble) {
    case Trouble::kEndOfFile:
    case Trouble::kReset:
    case Trouble::kBye:
      return;
    case Trouble::kKill:
      process_.start();
      active_->starting = true;
      return;
    case Trouble::kFreeze:
      return process_.command("unfreeze");
    case Trouble::kNotFound:
      return process_.command("notfound off");
    case Trouble::kStop:
      return process_.thaw();
    case Trouble::kPortClosed:
      return process_.command("start");
  }
}

bool SoakCamera::advance(Clock::time_point now) {
  if (const auto how = process_.ended(); how && failure_.empty())
    failure_ = "the test camera ended by itself: " + *how;
  if (!active_ || now < active_->back) return false;
  if (!active_->starting) end_trouble();
  if (!process_.ready()) return false;
  active_.reset();
  for (const auto &reader : readers_) reader->gaps().outage_ends(now);
  return true;
}

bool SoakCamera::busy() const {
  return active_ || !std::all_of(readers_.begin(), readers_.end(), [](const auto &reader) {
           return reader->gaps().report().recovered;
         });
}

bool SoakCamera::all_readers_have_frames() const {
  return std::all_of(readers_.begin(), readers_.end(),
                     [](const auto &reader) { return reader->has_frame(); });
}

test::RunLog::CameraSample SoakCamera::sample() const {
  const StructurePtr source = statistics_of(source_.get());
  const StructurePtr sink = statistics_of(sink_.get());
  test::RunLog::CameraSample sample;
  sample.status = text(source, "status");
  sample.frames = number(sink, "frames");
  gst_structure_get_uint(sink.get(), "outstanding", &sample.leases);
  return sample;
}

const std::string &SoakCamera::failure() {
  const auto bus = adopt(gst_element_get_bus(pipeline_.get()));
  while (const MessagePtr message{gst_bus_pop(bus.get())}) {
    if (gst_message_has_name(message.get(), "cudacam-lease-overdue")) ++overdue_;
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS && failure_.empty())
      failure_ = "the pipeline ended: end of stream";
    if (GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_ERROR || !failure_.empty()) continue;
    GError *raw_error = nullptr;
    gst_message_parse_error(message.get(), &raw_error, nullptr);
    failure_ = "the pipeline ended: " + std::string(ErrorPtr(raw_error)->message);
  }
  return failure_;
}

SoakCamera::Result SoakCamera::finish() {
  Result result;
  if (!sink_) {
    result.complaints.push_back(settings_.name + ": was never played");
    return result;
  }
  for (const auto &reader : readers_) {
    reader->stop();
    result.verdicts = result.verdicts + reader->verdicts();
    for (const std::string &explanation : reader->explanations())
      result.complaints.push_back(settings_.name + ": " + explanation);
    result.cuda_errors += reader->cuda_errors();
    result.forgotten += static_cast<unsigned>(reader->forgotten());
    if (!reader->failure().empty())
      result.complaints.push_back(settings_.name + ": " + reader->failure());
    if (!reader->verdicts().verified)
      result.complaints.push_back(settings_.name + ": a reader verified no frame");
    result.gaps.push_back(reader->gaps().report());
    if (!result.gaps.back().recovered)
      result.complaints.push_back(settings_.name + ": no new frame after the last outage");
  }
  if (!failure().empty()) {
    if (failure().find("CUDA") != std::string::npos) ++result.cuda_errors;
    result.complaints.push_back(settings_.name + ": " + failure());
  }
  const StructurePtr source = statistics_of(source_.get());
  const StructurePtr pool = statistics_of(pool_.get());
  const StructurePtr sink = statistics_of(sink_.get());
  result.connections = number(source, "connections");
  result.retries = number(source, "num-retry");
  result.decoders = number(source, "decoders");
  result.dropped = number(pool, "dropped");
  result.memory = text(pool, "memory");
  result.overdue = overdue_;
  gst_structure_get_uint(sink.get(), "outstanding", &result.outstanding);
  if (result.outstanding != result.forgotten)
    result.complaints.push_back(settings_.name + ": " + std::to_string(result.outstanding) +
                                " leases are out, not " + std::to_string(result.forgotten));
  return result;
}

void SoakCamera::stop_pipeline() {
  if (pipeline_) gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
}

std::vector<Forgotten> SoakCamera::take_forgotten() {
  std::vector<Forgotten> all;
  for (const auto &reader : readers_)
    for (Forgotten &one : reader->take_forgotten()) all.push_back(std::move(one));
  return all;
}

}  // namespace cudacam::soak
