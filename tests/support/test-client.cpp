// SPDX-License-Identifier: LGPL-2.1-or-later
#include "test-client.hpp"

#include <arpa/inet.h>
#include <gst/video/video.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <stdexcept>

namespace cudacam::test {
namespace {

constexpr auto kDeadline = std::chrono::seconds(60);

std::string launch_line(const std::string &codec) {
  return "rtspsrc name=source latency=50 ! rtp" + codec + "depay ! " + codec + "parse ! avdec_" +
         codec + " max-threads=1 ! appsink name=sink sync=false emit-signals=true";
}

ConstLumaPlane luma_of(const GstVideoFrame &frame) {
  return {static_cast<const uint8_t *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)),
          GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), GST_VIDEO_FRAME_WIDTH(&frame),
          GST_VIDEO_FRAME_HEIGHT(&frame)};
}

}  // namespace

PlayingClient::PlayingClient(const Settings &settings) {
  GError *raw_error = nullptr;
  pipeline_ = sink(gst_parse_launch(launch_line(settings.codec).c_str(), &raw_error));
  const ErrorPtr error(raw_error);
  if (error) throw std::runtime_error(error->message);
  const auto source = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "source"));
  gst_util_set_object_arg(G_OBJECT(source.get()), "protocols", settings.protocols.c_str());
  g_object_set(source.get(), "location", settings.location.c_str(), "user-id",
               settings.user.c_str(), "user-pw", settings.password.c_str(), nullptr);
  const auto end = adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "sink"));
  g_signal_connect(end.get(), "new-sample", G_CALLBACK(on_sample), this);
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
}

PlayingClient::~PlayingClient() {
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
}

GstFlowReturn PlayingClient::on_sample(GstElement *sink, gpointer self) {
  GstSample *sample = nullptr;
  g_signal_emit_by_name(sink, "pull-sample", &sample);
  if (!sample) return GST_FLOW_EOS;
  static_cast<PlayingClient *>(self)->check_sample(sample);
  gst_sample_unref(sample);
  return GST_FLOW_OK;
}

void PlayingClient::check_sample(GstSample *sample) {
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) ||
      !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ))
    return;
  const FrameReading reading = read_frame_number(luma_of(frame));
  gst_video_frame_unmap(&frame);
  {
    std::lock_guard guard(lock_);
    checker_.check(reading);
    width_ = GST_VIDEO_INFO_WIDTH(&info);
    height_ = GST_VIDEO_INFO_HEIGHT(&info);
  }
  changed_.notify_all();
}

template <typename Condition>
bool PlayingClient::wait(Condition condition) {
  std::unique_lock guard(lock_);
  // wait_until() on the system clock: ThreadSanitizer does not know pthread_cond_clockwait().
  return changed_.wait_until(guard, std::chrono::system_clock::now() + kDeadline, condition);
}

bool PlayingClient::wait_good_frames(uint64_t count) {
  const uint64_t goal = checker().good() + count;
  return wait([=] { return checker_.good() >= goal; });
}

bool PlayingClient::wait_number(uint32_t number) {
  return wait(
      [=] { return checker_.last() && static_cast<int32_t>(*checker_.last() - number) >= 0; });
}

bool PlayingClient::wait_size(int width, int height) {
  return wait([=] { return width_ == width && height_ == height; });
}

StreamEnd PlayingClient::wait_end() {
  const auto bus = adopt(gst_element_get_bus(pipeline_.get()));
  const GstClockTime deadline = std::chrono::nanoseconds(kDeadline).count();
  const MessagePtr message(gst_bus_timed_pop_filtered(
      bus.get(), deadline, static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_EOS)));
  StreamEnd end;
  if (!message) return end;
  end.eos = GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS;
  if (end.eos) return end;
  GError *raw_error = nullptr;
  gst_message_parse_error(message.get(), &raw_error, nullptr);
  const ErrorPtr error(raw_error);
  end.domain = error->domain;
  end.code = error->code;
  return end;
}

FrameChecker PlayingClient::checker() const {
  std::lock_guard guard(lock_);
  return checker_;
}

HandConnection::HandConnection(int port) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0) return;
  close(fd_);
  fd_ = -1;
}

HandConnection::~HandConnection() {
  if (fd_ >= 0) close(fd_);
}

void HandConnection::send(const std::string &text) {
  if (::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) < 0)
    throw std::runtime_error("the camera takes no request");
}

std::string HandConnection::read_response() {
  std::string text;
  while (true) {
    const size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos) {
      const size_t field = text.find("Content-Length:");
      const size_t body = field < end ? std::strtoul(&text[field + 15], nullptr, 10) : 0;
      if (text.size() >= end + 4 + body) return text;
    }
    char buffer[2048];
    const ssize_t got =
        readable_within(static_cast<int>(std::chrono::milliseconds(kDeadline).count()))
            ? recv(fd_, buffer, sizeof buffer, 0)
            : -1;
    if (got <= 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

bool HandConnection::readable_within(int milliseconds) const {
  pollfd wanted = {fd_, POLLIN, 0};
  return poll(&wanted, 1, milliseconds) > 0;
}

std::string HandConnection::read_end() {
  char byte;
  const ssize_t got = recv(fd_, &byte, 1, 0);
  if (got > 0) return "data";
  if (got == 0) return "eof";
  return errno == ECONNRESET ? "reset" : "error";
}

std::string describe(int port, const std::string &headers) {
  HandConnection connection(port);
  connection.send("DESCRIBE rtsp://127.0.0.1:" + std::to_string(port) +
                  "/cam RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n" + headers + "\r\n");
  return connection.read_response();
}

}  // namespace cudacam::test
