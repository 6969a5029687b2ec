// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera-media.hpp"

#include <gst/video/video.h>

#include <stdexcept>

#include "base/ptr.hpp"
#include "frame-number.hpp"

namespace cudacam::test {
namespace {

// A frame that comes out of the source later than this is dropped: after the process was stopped
// and continued, a camera shows the present and not everything it has missed.
constexpr GstClockTime kMaxLateness = 500 * GST_MSECOND;

std::string size_caps(const TestCameraOptions &options) {
  return "video/x-raw,format=I420,width=" + std::to_string(options.width) +
         ",height=" + std::to_string(options.height) + ",framerate=" + std::to_string(options.fps) +
         "/1";
}

std::string rtp_start(const TestCameraOptions &options) {
  return options.rtp_start ? " timestamp-offset=" + std::to_string(*options.rtp_start) : "";
}

std::string encoder_line(const TestCameraOptions &options) {
  const std::string gop = std::to_string(options.gop > 0 ? options.gop : options.fps);
  const std::string bitrate = std::to_string(options.bitrate);
  const std::string b_frames = std::to_string(options.b_frames);
  switch (options.codec) {
    case CameraCodec::kH264:
      return "x264enc name=encoder speed-preset=ultrafast threads=1 key-int-max=" + gop +
             " bitrate=" + bitrate +
             (options.b_frames > 0 ? " b-adapt=false rc-lookahead=0 bframes=" + b_frames
                                   : " tune=zerolatency") +
             " ! video/x-h264,profile=" + options.profile +
             " ! rtph264pay name=pay0 pt=96 config-interval=-1" + rtp_start(options);
    case CameraCodec::kH265:
      return std::string(options.ten_bit ? "videoconvert ! video/x-raw,format=I420_10LE ! " : "") +
             "x265enc name=encoder speed-preset=ultrafast tune=zerolatency key-int-max=" + gop +
             " bitrate=" + bitrate +
             " option-string=\"log-level=none:pools=1:frame-threads=1:bframes=" + b_frames +
             "\" ! rtph265pay name=pay0 pt=96 config-interval=-1" + rtp_start(options);
    case CameraCodec::kVp8:
      return "vp8enc name=encoder deadline=1 cpu-used=8 keyframe-max-dist=" + gop +
             " target-bitrate=" + bitrate + "000 ! rtpvp8pay name=pay0 pt=96";
    case CameraCodec::kJpeg:
      return "jpegenc name=encoder ! rtpjpegpay name=pay0 pt=26" + rtp_start(options);
    case CameraCodec::kAudio:
      break;
  }
  return {};
}

std::string audio_line(const std::string &payloader) {
  return "audiotestsrc is-live=true wave=silence ! audio/x-raw,rate=8000,channels=1 ! alawenc ! "
         "rtppcmapay pt=8 name=" +
         payloader;
}

// Any data in an application stream, as analytics of a camera are.
std::string metadata_line(const std::string &payloader) {
  return "videotestsrc is-live=true ! video/x-raw,format=GRAY8,width=16,height=16,framerate=5/1 ! "
         "rtpgstpay pt=107 name=" +
         payloader;
}

// GST_CLOCK_TIME_NONE before the element has a clock.
GstClockTime running_time_of(GstElement *element) {
  const auto clock = adopt(gst_element_get_clock(element));
  if (!clock) return GST_CLOCK_TIME_NONE;
  const GstClockTime now = gst_clock_get_time(clock.get());
  const GstClockTime base = gst_element_get_base_time(element);
  return now > base ? now - base : 0;
}

bool is_late(GstPad *pad, GstBuffer *buffer) {
  const auto source = adopt(gst_pad_get_parent_element(pad));
  if (!source) return false;
  const GstClockTime now = running_time_of(source.get());
  return GST_CLOCK_TIME_IS_VALID(now) && GST_BUFFER_PTS_IS_VALID(buffer) &&
         now > GST_BUFFER_PTS(buffer) + kMaxLateness;
}

void draw_number(GstPad *pad, GstBuffer *buffer, uint32_t number) {
  const CapsPtr caps(gst_pad_get_current_caps(pad));
  GstVideoInfo info;
  GstVideoFrame frame;
  if (caps && gst_video_info_from_caps(&info, caps.get()) &&
      gst_video_frame_map(&frame, &info, buffer, GST_MAP_READWRITE)) {
    draw_frame_number({static_cast<uint8_t *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)),
                       GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), GST_VIDEO_FRAME_WIDTH(&frame),
                       GST_VIDEO_FRAME_HEIGHT(&frame)},
                      number);
    gst_video_frame_unmap(&frame);
  }
}

GstPadProbeReturn number_frame(GstPad *pad, GstPadProbeInfo *info, gpointer feed) {
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  const auto number = static_cast<LiveFeed *>(feed)->next(is_late(pad, buffer));
  if (!number) return GST_PAD_PROBE_DROP;
  buffer = gst_buffer_make_writable(buffer);
  GST_PAD_PROBE_INFO_DATA(info) = buffer;
  draw_number(pad, buffer, *number);
  return GST_PAD_PROBE_OK;
}

// Payload types 64-95 are not used together with RTCP, so the second byte tells (RFC 5761).
bool is_rtcp(GstBuffer *buffer) {
  uint8_t head[2];
  return gst_buffer_extract(buffer, 0, head, 2) == 2 && head[1] >= 200 && head[1] <= 207;
}

GstPadProbeReturn hold_back_rtcp(GstPad *, GstPadProbeInfo *info, gpointer feed) {
  if (!is_rtcp(GST_PAD_PROBE_INFO_BUFFER(info))) return GST_PAD_PROBE_OK;
  return static_cast<LiveFeed *>(feed)->frozen() ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

// gst-rtsp-server makes the network sinks late, when a client has chosen its transport.
void watch_new_sink(GstBin *, GstBin *, GstElement *element, gpointer feed) {
  if (!GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SINK)) return;
  if (const auto pad = adopt(gst_element_get_static_pad(element, "sink")))
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, hold_back_rtcp, feed, nullptr);
}

GstPadProbeReturn withhold_keyframe(GstPad *pad, GstPadProbeInfo *info, gpointer delay_ms) {
  if (GST_BUFFER_FLAG_IS_SET(GST_PAD_PROBE_INFO_BUFFER(info), GST_BUFFER_FLAG_DELTA_UNIT))
    return GST_PAD_PROBE_OK;
  const auto encoder = adopt(gst_pad_get_parent_element(pad));
  if (!encoder) return GST_PAD_PROBE_OK;
  const GstClockTime now = running_time_of(encoder.get());
  return now < GPOINTER_TO_UINT(delay_ms) * GST_MSECOND ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

void add_source_probe(GstElement *bin, const char *name, GstPadProbeCallback probe,
                      gpointer user_data) {
  const auto element = adopt(gst_bin_get_by_name(GST_BIN(bin), name));
  if (!element) return;
  const auto pad = adopt(gst_element_get_static_pad(element.get(), "src"));
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, probe, user_data, nullptr);
}

}  // namespace

void check_camera_elements(const TestCameraOptions &options) {
  const struct {
    CameraCodec codec;
    const char *element;
    const char *package;
  } encoders[] = {{CameraCodec::kH264, "x264enc", "gstreamer1.0-plugins-ugly"},
                  {CameraCodec::kH265, "x265enc", "gstreamer1.0-plugins-bad"},
                  {CameraCodec::kVp8, "vp8enc", "gstreamer1.0-plugins-good"},
                  {CameraCodec::kJpeg, "jpegenc", "gstreamer1.0-plugins-good"}};
  for (const auto &encoder : encoders) {
    if (encoder.codec != options.codec) continue;
    if (adopt(gst_element_factory_find(encoder.element))) continue;
    throw std::runtime_error(std::string("the test camera needs the GStreamer element ") +
                             encoder.element + "; on Debian and Ubuntu install " + encoder.package);
  }
}

void check_camera_options(const TestCameraOptions &options) {
  if (options.width < kMinMarkedWidth || options.height < kMinMarkedHeight)
    throw std::invalid_argument("the picture must be at least " + std::to_string(kMinMarkedWidth) +
                                "x" + std::to_string(kMinMarkedHeight) + " to hold its number");
  if (options.width % 2 || options.height % 2)
    throw std::invalid_argument("width and height must be even");
  if (options.fps < 1 || options.fps > 1000)
    throw std::invalid_argument("fps must be between 1 and 1000");
  if (options.port < 0 || options.port > 65535)
    throw std::invalid_argument("the port must be between 0 and 65535");
  if (options.path.size() < 2 || options.path[0] != '/')
    throw std::invalid_argument("the path must start with a slash and name something");
}

std::string camera_launch_line(const TestCameraOptions &options) {
  if (options.codec == CameraCodec::kAudio) return "( " + audio_line("pay0") + " )";
  std::string line =
      "( videotestsrc name=source is-live=true pattern=ball ! capsfilter name=size caps=" +
      size_caps(options) + " ! " + encoder_line(options);
  if (options.with_metadata) line += " " + metadata_line("pay2");
  if (options.with_audio) line += " " + audio_line("pay1");
  return line + " )";
}

void attach_to_feed(GstElement *bin, LiveFeed *feed, const TestCameraOptions &options) {
  add_source_probe(bin, "source", number_frame, feed);
  const auto delay = options.first_keyframe_delay.count();
  if (delay > 0)
    add_source_probe(bin, "encoder", withhold_keyframe,
                     GUINT_TO_POINTER(static_cast<guint>(delay)));
  if (const auto pipeline = adopt(gst_object_get_parent(GST_OBJECT(bin))))
    g_signal_connect(pipeline.get(), "deep-element-added", G_CALLBACK(watch_new_sink), feed);
}

void change_media_size(GstElement *bin, const TestCameraOptions &options) {
  if (const auto filter = adopt(gst_bin_get_by_name(GST_BIN(bin), "size")))
    gst_util_set_object_arg(G_OBJECT(filter.get()), "caps", size_caps(options).c_str());
}

void end_media(GstElement *bin) {
  gst_element_send_event(bin, gst_event_new_eos());
}

}  // namespace cudacam::test
