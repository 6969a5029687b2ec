// SPDX-License-Identifier: LGPL-2.1-or-later
/// Two plain clients of a test camera: one that decodes and checks frames with stock elements, one
/// that speaks RTSP by hand.
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <mutex>
#include <string>

#include "base/ptr.hpp"
#include "frame-checker.hpp"

namespace cudacam::test {

/// How a stream ended.
struct StreamEnd {
  bool eos = false;
  GQuark domain = 0;  ///< of the error; 0 when there was none
  int code = 0;

  bool is_error(GQuark error_domain, int error_code) const {
    return domain == error_domain && code == error_code;
  }
};

/// `rtspsrc ! depay ! parse ! avdec ! appsink`. Waits end at a deadline far above what they need.
class PlayingClient {
 public:
  struct Settings {
    std::string location;
    std::string protocols = "tcp";  ///< rtspsrc's property
    std::string codec = "h264";     ///< or h265
    std::string user, password;
  };

  /// Starts to play; throws std::runtime_error when the pipeline cannot be built.
  explicit PlayingClient(const Settings &settings);
  ~PlayingClient();
  PlayingClient(const PlayingClient &) = delete;
  PlayingClient &operator=(const PlayingClient &) = delete;

  /// Until `count` further good frames have come; false at the deadline.
  bool wait_good_frames(uint64_t count);
  /// Until a frame has the number, or a higher one.
  bool wait_number(uint32_t number);
  bool wait_size(int width, int height);
  /// The first end of stream or error; neither at the deadline.
  StreamEnd wait_end();

  FrameChecker checker() const;

 private:
  static GstFlowReturn on_sample(GstElement *sink, gpointer self);
  void check_sample(GstSample *sample);
  template <typename Condition>
  bool wait(Condition condition);

  ObjectPtr<GstElement> pipeline_;
  mutable std::mutex lock_;  // guards what follows; a leaf
  std::condition_variable changed_;
  FrameChecker checker_;
  int width_ = 0;
  int height_ = 0;
};

/// One TCP connection.
class HandConnection {
 public:
  explicit HandConnection(int port);
  ~HandConnection();
  HandConnection(const HandConnection &) = delete;
  HandConnection &operator=(const HandConnection &) = delete;

  bool connected() const { return fd_ >= 0; }
  void send(const std::string &text);
  /// What comes in up to the end of one RTSP response, body included.
  std::string read_response();
  /// Whether anything, an end of file included, can be read within the time.
  bool readable_within(int milliseconds) const;
  /// The next byte's fate: "data", "eof" or "reset".
  std::string read_end();

 private:
  int fd_ = -1;
};

/// The response to a DESCRIBE of the camera at `port`; `headers` are whole lines with CR LF.
std::string describe(int port, const std::string &headers = {});

}  // namespace cudacam::test
