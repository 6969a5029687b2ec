// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera-bench.hpp"

#include <gst/video/video.h>

#include <chrono>
#include <filesystem>

// Last: its macros (fail) are words of the standard library.
#include <gst/check/gstcheck.h>
#include "frame/camera-event.h"
#include "upstream-criticals.hpp"

namespace cudacam::test {
namespace {

constexpr std::chrono::seconds kDeadline{60};

/// No timer fires on a machine that is only slow; a test that wants one sets it itself.
constexpr const char *kPatience =
    "stall-timeout=0 decode-timeout=0 connect-timeout=50000000000 first-frame-timeout=50000000000 "
    "retry-min-delay=20000000 retry-max-delay=100000000 ";

/// check refuses long messages.
std::string tail(const std::string &text) {
  constexpr std::size_t longest = 3000;
  return text.size() <= longest ? text : "..." + text.substr(text.size() - longest);
}

/// Of deeper luma the upper eight bits.
FrameReading read_luma(const GstVideoFrame &frame) {
  const auto *data = static_cast<const uint8_t *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
  const ptrdiff_t stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
  const int width = GST_VIDEO_FRAME_WIDTH(&frame), height = GST_VIDEO_FRAME_HEIGHT(&frame);
  const auto *format = frame.info.finfo;
  const auto depth = GST_VIDEO_FORMAT_INFO_DEPTH(format, 0);
  if (depth == 8) return read_frame_number({data, stride, width, height});
  const auto shift = depth - 8 + GST_VIDEO_FORMAT_INFO_SHIFT(format, 0);
  std::vector<uint8_t> upper(static_cast<std::size_t>(width) * height);
  for (int y = 0; y < height; y++) {
    const auto *line = reinterpret_cast<const uint16_t *>(data + y * stride);
    for (int x = 0; x < width; x++)
      upper[static_cast<std::size_t>(y) * width + x] = static_cast<uint8_t>(line[x] >> shift);
  }
  return read_frame_number({upper.data(), width, width, height});
}

}  // namespace

CameraBench::CameraBench(const std::string &options, const std::string &downstream) {
  expect_upstream_criticals();
  GError *error = nullptr;
  pipeline_ = sink(gst_parse_launch(
      ("cudacamsrc name=cam0 " + (kPatience + options) + " ! " + downstream).c_str(), &error));
  ck_assert_msg(!error, "%s", error ? error->message : "");
  camera_ = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "cam0"));
  const auto pad = adopt(gst_element_get_static_pad(camera_.get(), "src"));
  gst_pad_add_probe(
      pad.get(),
      GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                      GST_PAD_PROBE_TYPE_EVENT_FLUSH),
      output_probe, this, nullptr);
  const auto bus = adopt(gst_element_get_bus(pipeline_.get()));
  gst_bus_set_sync_handler(bus.get(), on_message, this, nullptr);
}

CameraBench::~CameraBench() {
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  const auto bus = adopt(gst_element_get_bus(pipeline_.get()));
  gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
}

GstStateChangeReturn CameraBench::set_state(GstState state) {
  return gst_element_set_state(pipeline_.get(), state);
}

void CameraBench::wait(const char *what,
                       const std::function<bool(const CameraBench &)> &condition) {
  std::unique_lock lock(mutex_);
  // Looked at again now and then, for conditions outside the bench.
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  bool held = false;
  while (!held && std::chrono::steady_clock::now() < deadline)
    held = changed_.wait_for(lock, std::chrono::milliseconds(10), [&] { return condition(*this); });
  ck_assert_msg(held, "waited in vain for %s; messages so far:\n%s", what,
                tail(everything).c_str());
}

void CameraBench::wait_frames(unsigned more) {
  guint64 goal;
  {
    std::lock_guard lock(mutex_);
    goal = frames + more;
  }
  wait("frames", [goal](const auto &bench) { return bench.frames >= goal; });
}

void CameraBench::wait_status(const std::string &status) {
  wait(status.c_str(), [&](const auto &bench) {
    return !bench.statuses.empty() &&
           bench.statuses.back().substr(0, bench.statuses.back().find(' ')) == status;
  });
}

void CameraBench::wait_status(const std::string &status, const std::string &reason) {
  const auto text = status + " " + reason;
  std::unique_lock lock(mutex_);
  const bool held = changed_.wait_for(lock, kDeadline, [&] {
    while (statuses_seen_ < statuses.size()) {
      if (statuses[statuses_seen_++] == text) return true;
    }
    return false;
  });
  ck_assert_msg(held, "waited in vain for %s; messages so far:\n%s", text.c_str(),
                tail(everything).c_str());
}

void CameraBench::wait_connection(guint64 connection) {
  wait("the connection's frames", [connection](const auto &bench) {
    return bench.connections >= connection && !bench.outputs.empty() &&
           bench.outputs.back().kind == Output::frame;
  });
}

void CameraBench::wait_warning(const std::string &reason) {
  wait(reason.c_str(), [&](const auto &bench) {
    for (const auto &warning : bench.warnings) {
      if (warning == reason) return true;
    }
    return false;
  });
}

void CameraBench::forget() {
  std::lock_guard lock(mutex_);
  outputs.clear();
  statuses.clear();
  statuses_seen_ = 0;
  everything.clear();
}

GstPadProbeReturn CameraBench::output_probe(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  auto *self = static_cast<CameraBench *>(data);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    self->record(pad, GST_PAD_PROBE_INFO_BUFFER(info));
  } else {
    self->record(GST_PAD_PROBE_INFO_EVENT(info));
  }
  return GST_PAD_PROBE_OK;
}

void CameraBench::record(GstPad *pad, GstBuffer *buffer) {
  Output output{Output::frame, FrameVerdict::kDamaged};
  const CapsPtr caps(gst_pad_get_current_caps(pad));
  GstVideoInfo info;
  GstVideoFrame frame;
  FrameReading reading;
  if (caps && gst_video_info_from_caps(&info, caps.get()) &&
      gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ)) {
    output.width = GST_VIDEO_FRAME_WIDTH(&frame);
    reading = read_luma(frame);
    gst_video_frame_unmap(&frame);
  }
  output.number = reading.number();
  output.time = GST_BUFFER_PTS(buffer);
  output.discont = GST_BUFFER_IS_DISCONT(buffer);
  output.reference_time = gst_buffer_get_reference_timestamp_meta(buffer, nullptr) != nullptr;
  std::lock_guard lock(mutex_);
  output.verdict = checker.check(reading);
  outputs.push_back(output);
  frames++;
  changed_.notify_all();
}

void CameraBench::record(GstEvent *event) {
  Output output{Output::event, FrameVerdict::kGood};
  output.type = GST_EVENT_TYPE(event);
  if (const auto *fields = gst_event_get_structure(event))
    output.name = gst_structure_get_name(fields);
  gboolean streaming = FALSE;
  const char *reason = nullptr;
  const bool of_camera =
      gst_cuda_cam_event_parse_camera(event, nullptr, &output.connection, &streaming, &reason);
  output.streaming = streaming;
  std::lock_guard lock(mutex_);
  // A sink on its way to READY refuses it, and the pad repeats it, being sticky, before what
  // follows.
  if (of_camera && gst_event_get_seqnum(event) == camera_event_) return;
  if (of_camera) camera_event_ = gst_event_get_seqnum(event);
  // A stop is no loss, and on the way to READY it is told or not as the threads happen to run.
  if (of_camera) stopping_ = !streaming && std::string(reason) == "none";
  if (of_camera && !stopping_) streaming ? connections++ : losses++;
  switch (output.type) {
    case GST_EVENT_GAP:
      if (!stopping_) gaps++;
      break;
    case GST_EVENT_EOS:
      eos++;
      break;
    case GST_EVENT_FLUSH_START:
    case GST_EVENT_FLUSH_STOP:
      flushes++;
      break;
    case GST_EVENT_SEGMENT:
      segments++;
      break;
    case GST_EVENT_STREAM_START:
      stream_starts++;
      break;
    default:
      break;
  }
  outputs.push_back(output);
  changed_.notify_all();
}

GstBusSyncReply CameraBench::on_message(GstBus *, GstMessage *message, gpointer data) {
  auto *self = static_cast<CameraBench *>(data);
  std::string text = std::string(GST_MESSAGE_TYPE_NAME(message)) + " of " +
                     GST_OBJECT_NAME(GST_MESSAGE_SRC(message)) + ": ";
  const auto *fields = gst_message_get_structure(message);
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_WARNING &&
      GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR && fields)
    text += CharPtr(gst_structure_to_string(fields)).get();

  std::lock_guard lock(self->mutex_);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING ||
      GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError *raw_error = nullptr;
    char *raw_debug = nullptr;
    const GstStructure *details = nullptr;
    const bool warning = GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING;
    (warning ? gst_message_parse_warning : gst_message_parse_error)(message, &raw_error,
                                                                    &raw_debug);
    (warning ? gst_message_parse_warning_details : gst_message_parse_error_details)(message,
                                                                                    &details);
    const ErrorPtr error(raw_error);
    const CharPtr debug(raw_debug);
    text += std::string(error->message) + " | " + (raw_debug ? raw_debug : "");
    if (details) text += CharPtr(gst_structure_to_string(details)).get();
    if (warning) {
      const char *reason = details ? gst_structure_get_string(details, "reason") : nullptr;
      self->warnings.push_back(reason ? reason : "");
      self->warning_texts.push_back(error->message);
    } else {
      self->errors.push_back(error->message);
    }
  } else if (gst_message_has_name(message, "cudacam-status")) {
    self->statuses.push_back(std::string(gst_structure_get_string(fields, "status")) + " " +
                             gst_structure_get_string(fields, "reason"));
  }
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_STATE_CHANGED &&
      GST_MESSAGE_TYPE(message) != GST_MESSAGE_STREAM_STATUS)
    self->everything += text + "\n";
  self->changed_.notify_all();
  gst_message_unref(message);
  return GST_BUS_DROP;
}

template <>
guint64 CameraBench::statistic<guint64>(const char *field) const {
  GstStructure *raw = nullptr;
  g_object_get(camera_.get(), "statistics", &raw, nullptr);
  const StructurePtr structure(raw);
  guint64 value = 0;
  guint small = 0;
  if (!gst_structure_get_uint64(raw, field, &value)) {
    ck_assert_msg(gst_structure_get_uint(raw, field, &small), "no statistic %s", field);
    value = small;
  }
  return value;
}

template <>
std::string CameraBench::statistic<std::string>(const char *field) const {
  GstStructure *raw = nullptr;
  g_object_get(camera_.get(), "statistics", &raw, nullptr);
  const StructurePtr structure(raw);
  const char *text = field ? gst_structure_get_string(raw, field) : nullptr;
  return field ? (text ? text : "") : CharPtr(gst_structure_to_string(raw)).get();
}

ObjectPtr<GstElement> CameraBench::decoder() const {
  return adopt(gst_bin_get_by_name(GST_BIN(camera_.get()), "decoder"));
}

DebugLog::DebugLog() {
  gst_debug_remove_log_function(gst_debug_log_default);
  gst_debug_add_log_function(on_log, this, nullptr);
  gst_debug_set_threshold_from_string("cudacam*:6", FALSE);
  gst_debug_set_active(TRUE);
}

DebugLog::~DebugLog() {
  gst_debug_set_threshold_from_string("*:0", TRUE);
  gst_debug_remove_log_function(on_log);
}

void DebugLog::on_log(GstDebugCategory *category, GstDebugLevel, const char *, const char *, int,
                      GObject *, GstDebugMessage *message, gpointer data) {
  const std::string name = gst_debug_category_get_name(category);
  if (name.compare(0, 7, "cudacam") != 0) return;
  auto *self = static_cast<DebugLog *>(data);
  const char *text = gst_debug_message_get(message);
  std::lock_guard lock(self->mutex_);
  self->text_ += name + ": " + (text ? text : "") + "\n";
}

std::string DebugLog::text() const {
  std::lock_guard lock(mutex_);
  return text_;
}

unsigned count_entries(const char *folder) {
  unsigned count = 0;
  for ([[maybe_unused]] const auto &entry : std::filesystem::directory_iterator(folder)) count++;
  return count;
}

}  // namespace cudacam::test
