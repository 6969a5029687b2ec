// SPDX-License-Identifier: LGPL-2.1-or-later
/// The thread that keeps a camera connected.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "base/retirement.hpp"
#include "camera/announcer.hpp"
#include "camera/history.hpp"
#include "camera/settings.hpp"
#include "decode/decoder-stage.hpp"
#include "ingest/connection.hpp"
#include "ingest/reconnect-policy.hpp"
#include "ingest/transport.hpp"

namespace cudacam {

/// Translates between the policy, which decides, and the connection and the decoder stage, which
/// do.
///
/// Everything that happens is posted from its own thread (streaming threads, message handlers, the
/// application) and handled by one thread, which never waits for the network, a decoder or
/// downstream; what may block runs in Retirement. Needs no GLib main loop.
class Supervisor : public StreamReceiver, public std::enable_shared_from_this<Supervisor> {
 public:
  struct Callbacks {
    std::function<Settings()> settings;
    // Called on the supervisor's thread:
    std::function<void()> status_changed;
    /// Asked before each attempt, with the location of the settings: where the camera is now.
    std::function<std::string(const std::string &)> update_location;
  };
  struct Snapshot {
    Status status = Status::stopped;
    Reason last_reason = Reason::none;
    unsigned retries = 0;    ///< in this outage
    GstClockTime delay = 0;  ///< from the loss to the next attempt
    /// From first packet to first frame, of the latest connection that had one; none before.
    GstClockTime first_frame_delay = GST_CLOCK_TIME_NONE;
    unsigned quarantined = 0;  ///< connections and decoders that do not close in time
    unsigned rtsp_status = 0;
    std::string last_error;
    History::Totals history;
    DecoderStage::Statistics stage;
  };

  /// `bin` and its pad are borrowed; they outlive stop().
  Supervisor(GstBin *bin, GstPad *source, Callbacks callbacks);
  ~Supervisor() override;

  void start();  ///< READY->PAUSED: the thread, not yet the camera
  void play();   ///< PAUSED->PLAYING
  void pause();  ///< PLAYING->PAUSED
  /// PAUSED->READY, before the pads are deactivated: ends the thread and lets go of the camera,
  /// getting streaming threads out of a blocked downstream.
  void stop();
  /// PAUSED->READY, after the pads were deactivated.
  void release();

  void reconnect();       ///< somebody asks for it
  void limits_changed();  ///< timeouts or limits of the retries, which hold at once
  void finish();          ///< the application wants EOS: drained, then no more
  /// A message from inside the bin; true when it is handled and must not be forwarded.
  bool handle_message(GstMessage *message);
  Snapshot snapshot() const;

  void on_first_packet(Generation from) override;
  bool on_caps(Generation from, const Codec &codec, GstCaps *caps) override;
  GstFlowReturn on_buffer(Generation from, BufferPtr buffer,
                          std::optional<std::chrono::nanoseconds> time) override;
  void on_failure(Generation from, Failure failure) override;

 private:
  using Time = ReconnectPolicy::Time;
  using Step = ReconnectPolicy::Step;
  using Job = std::function<void()>;

  void post(Job job);
  void run();
  void step(Step step);
  void open();
  void close();
  void lose(Generation from, Failure failure);
  void closed(Generation which, std::optional<Failure> refined);
  void refresh_activity();
  void set_limits(const Settings &settings);
  void publish();
  void warn(const Failure &failure);
  void refused(Generation from, GstFlowReturn flow);
  void end();
  void settle_later();  ///< any thread
  void give_up(Reason reason, const ElementError &error);
  void given_up(const Failure &failure);
  void retire(ObjectPtr<GstElement> decoder);
  std::shared_ptr<Connection> connection() const;

  GstBin *const bin_;
  const Callbacks callbacks_;
  DecoderStage stage_;
  Retirement closing_;  ///< connections
  Retirement decoders_;
  Retirement settling_;  ///< who waits for downstream

  // Of the supervisor's thread alone (and of start() before it runs):
  Announcer announcer_;
  ReconnectPolicy policy_;
  Settings settings_;  ///< as of the latest attempt
  Status published_ = Status::stopped;
  std::optional<Failure> failure_;      ///< of the outage
  Reason warned_ = Reason::none;        ///< what the user was told in this outage
  Reason last_failure_ = Reason::none;  ///< of the latest attempt in this outage
  Generation waiting_close_ = 0;
  Transports transports_;

  std::atomic<unsigned> unclosed_{0};  ///< connections that were lost and are not closed

  std::thread thread_;

  /// Guards what follows. Never held while calling out; taken inside no other lock of ours.
  mutable std::mutex mutex_;
  std::condition_variable wakeup_;
  std::deque<Job> jobs_;
  bool quit_ = true;  ///< no thread: nothing is posted
  std::shared_ptr<Connection> connection_;
  Snapshot snapshot_;
  History history_;
};

}  // namespace cudacam
