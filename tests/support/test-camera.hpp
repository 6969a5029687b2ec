// SPDX-License-Identifier: LGPL-2.1-or-later
///
/// An RTSP camera inside the process, with numbered frames (frame-number.hpp), that misbehaves on
/// command. The network is real: a server on gst-rtsp-server, on a port that the kernel chooses.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace cudacam::test {

enum class CameraCodec {
  kH264,
  kH265,
  kJpeg,
  kVp8,    // for clients that must refuse it
  kAudio,  // no video stream at all: PCMA sound only
};

std::optional<CameraCodec> codec_from_string(const std::string &name);
const char *to_string(CameraCodec codec);

/// What a client asks on its way to a stream, in this order.
enum class CameraRequest { kOptions, kDescribe, kSetup, kPlay };

struct TestCameraOptions {
  std::string address = "127.0.0.1";  // to listen on, or a host's name
  int network = -1;  // descriptor of the network namespace it lives in; -1: that of the process
  int port = 0;      // 0: any free one; kept over stop() and start()
  std::string path = "/cam";
  CameraCodec codec = CameraCodec::kH264;
  int width = 640;
  int height = 360;
  int fps = 25;
  int gop = 0;  // frames from keyframe to keyframe; 0: one second's
  int b_frames = 0;
  int bitrate = 1500;            // kbit/s
  std::string profile = "main";  // of H.264
  bool ten_bit = false;          // H.265 Main 10
  bool with_audio = false;       // a PCMA stream beside the video
  bool with_metadata = false;    // an application stream beside the video
  bool tcp = true, udp = true;   // transports served; to others the camera answers 461
  bool tls = false;              // rtsps://, with kTestCertificate
  bool not_found = false;        // answer every request for the path with 404
  std::string user, password;    // asked for when `user` is not empty, by basic and digest
  /// RTP timestamp of each stream's first packet; none: any.
  std::optional<uint32_t> rtp_start = {};
  /// Keyframes are withheld this long after the first connection.
  std::chrono::milliseconds first_keyframe_delay{0};
};

/// All methods may be called from any thread. A command has taken effect at the server when it
/// returns. Throws std::runtime_error when it cannot listen, std::invalid_argument for options that
/// cannot be served.
class TestCamera {
 public:
  /// Listens from the start.
  explicit TestCamera(TestCameraOptions options = {});
  ~TestCamera();
  TestCamera(const TestCamera &) = delete;
  TestCamera &operator=(const TestCamera &) = delete;

  int port() const;
  /// Without user and password.
  std::string url() const;

  /// Ends every accepted connection and its session: the client reads an end of file (FIN).
  void close_connections();
  /// The same, but the client gets a connection reset (RST).
  void reset_connections();
  /// Sockets stay connected and new connections are accepted by the kernel, but nothing is sent or
  /// answered: neither frames nor RTCP nor RTSP. A frame already in the encoder may still leave.
  void freeze();
  void unfreeze();
  /// Answers the next such request and then freezes, so that what the client asks next stays
  /// unanswered.
  void freeze_after(CameraRequest request);
  bool is_frozen() const;
  /// Closes connections and the port, as if the camera had lost its power in an orderly way.
  void stop();
  /// Listens again on the same port, not frozen. No effect while listening.
  void start();
  /// In the running streams, by new parameter sets and a keyframe, and in later ones.
  void set_resolution(int width, int height);
  /// Ends the running streams with an RTCP BYE; connections stay. A new connection gets a new
  /// stream.
  void send_eos();
  /// For connections made from now on; an empty user takes it back.
  void require_password(const std::string &user, const std::string &password);
  void set_not_found(bool not_found);
  /// DESCRIBE is answered with this status code from now on; 0 takes it back.
  void refuse(unsigned rtsp_status);
  /// For streams made from now on; not of where it listens.
  void change(const std::function<void(TestCameraOptions &)> &change);
  void set_codec(CameraCodec codec);
  void set_rtp_start(uint32_t timestamp);
  void set_first_keyframe_delay(std::chrono::milliseconds delay);

  /// Connected RTSP clients, and sessions set up by them.
  unsigned clients() const;
  unsigned sessions() const;
  /// Frames given to the encoder since construction, and the highest number among them.
  uint64_t frames_sent() const;
  std::optional<uint32_t> highest_number() const;
  /// That when connections were last closed or reset: before clients could come back, which do so
  /// at once.
  std::optional<uint32_t> highest_number_at_close() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cudacam::test
