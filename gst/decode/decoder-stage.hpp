// SPDX-License-Identifier: LGPL-2.1-or-later
/// The decoder that outlives connections, and the one stream that downstream sees.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/ptr.hpp"
#include "decode/decoder-choice.hpp"
#include "decode/picture-count.hpp"
#include "decode/stream-lock.hpp"
#include "ingest/bitrate.hpp"
#include "ingest/codec.hpp"
#include "ingest/reason.hpp"
#include "ingest/reconnect-policy.hpp"
#include "ingest/timeline.hpp"

namespace cudacam {

/// Feeds successive connections into one decoder element and lets one unbroken stream out of it.
///
///     connection N   --on_buffer-->  [gate] feed pad -> decoder -> [output probe] -> src pad of
///     the bin connection N+1                    |
///                                       opens for one generation, at a keyframe
///
/// Downstream sees one stream-start and one segment, and never EOS or a flush because of a camera.
/// At a loss the decoder is drained, then `cudacam-camera` (streaming=false) and a GAP go out; the
/// next connection's first frame follows `cudacam-camera` (streaming=true) and carries DISCONT.
///
/// The decoder is replaced only when the codec changes, when it failed, when it was fed and never
/// delivered, or when a connection was lost for want of frames in which it made none. One that
/// fails again and again is replaced by one of another kind, unless the
/// user named it.
class DecoderStage {
 public:
  struct Settings {
    std::string camera;
    std::string decoder;  ///< element name, empty: the best one
    GstClockTime latency;
  };
  /// Called on streaming threads, with the stream lock held: post and return.
  struct Callbacks {
    std::function<void(Generation)> first_frame;
    std::function<void(Generation, Failure)> failure;
    /// Downstream refuses data of this connection for good; the reason is a flow return.
    std::function<void(Generation, GstFlowReturn)> refused;
    /// Decoding goes on with another kind of decoder; the sentence says so.
    std::function<void(std::string)> fallback;
    /// Takes a decoder that has left the bin and must be set to NULL, which may take long.
    std::function<void(ObjectPtr<GstElement>)> retire;
  };
  struct Statistics {
    guint64 connections = 0;  ///< that delivered frames
    guint64 frames = 0;       ///< decoded
    guint64 dropped = 0;      ///< pictures that the decoder got and made no frame of
    guint64 skipped = 0;      ///< packets dropped while waiting for a connection's first keyframe
    guint64 bitrate = 0;      ///< of the camera's video, in bit/s
    guint64 decoders = 0;     ///< made
  };

  /// `bin` and its ghost pad `source` are borrowed and outlive the stage's use.
  DecoderStage(GstBin *bin, GstPad *source, Callbacks callbacks);
  ~DecoderStage();

  /// READY->PAUSED, after the pads were activated.
  void start();
  /// PAUSED->READY, after the pads were deactivated. Nothing touches the bin or its pad from then
  /// on until the next start().
  void stop();

  /// Opens the gate for one connection. `settings` hold from its first packet.
  void enter(Generation generation, Settings settings);
  /// Closes the gate. The loss goes downstream with the next settle(), or in front of the next
  /// connection's first frame. `end`: with EOS, because the application asked for it.
  void leave(Reason reason, bool end = false);
  /// Drains the decoder and tells downstream of the loss. Blocks while downstream does, unless
  /// another already waits, who then does it; without `wait` it returns false when somebody else is
  /// pushing, who then does it (not at a stop, which has no reason: a paused sink would keep the
  /// thread).
  bool settle(bool wait);

  bool on_caps(Generation from, const Codec &codec, GstCaps *caps);
  GstFlowReturn on_buffer(Generation from, BufferPtr buffer,
                          std::optional<Timeline::Duration> time);
  /// The decoder posted an error: the next connection gets a new one.
  void decoder_failed();

  /// Whether a streaming thread is inside, perhaps blocked by downstream.
  bool is_busy() const { return stream_lock_.is_held(); }
  /// Gets streaming threads out of a blocked downstream for a state change to READY: waits a
  /// moment, then flushes (the flush is ended by the next start()). After leave(); the loss is no
  /// longer told, since who settles it later may find a downstream that nobody unblocks, or,
  /// because a connection hung, the element gone.
  void unblock();

  bool contains(GstObject *object) const;  ///< is or is inside the decoder
  Generation fed() const;                  ///< whose data the decoder got last
  ReconnectPolicy::Time last_frame() const;
  Statistics statistics() const;

 private:
  struct Loss {
    Reason reason;
    bool end;
  };

  GstFlowReturn decode(Generation from, BufferPtr buffer, std::optional<Timeline::Duration> time);
  void settle_late();

  // With the stream lock held:
  void settle_locked();
  void drain();
  bool ensure_decoder(Generation from, const Codec &codec);
  void drop_decoder();
  bool feed_event(GstEvent *event);
  void apply_caps();
  void begin_stream(GstCaps *caps);
  bool is_open_for(Generation from) const;
  std::optional<Timeline::Duration> admit(Generation from, bool keyframe, std::size_t size,
                                          std::optional<Timeline::Duration> time);

  GstPadProbeReturn output_buffer(GstPadProbeInfo *info);
  GstPadProbeReturn output_event(GstPadProbeInfo *info);
  static GstPadProbeReturn output_probe(GstPad *, GstPadProbeInfo *info, gpointer self);
  static gboolean feed_query(GstPad *pad, GstObject *parent, GstQuery *query);

  GstBin *const bin_;
  GstPad *const source_;
  const Callbacks callbacks_;

  /// Our stream lock: serialises everything that goes into the decoder or out of source_, and
  /// guards the members up to mutex_. Taken before mutex_; held while pushing.
  StreamLock stream_lock_;
  ObjectPtr<GstPad> feed_;  ///< linked to the decoder's sink pad
  const Codec *codec_ = nullptr;
  CapsPtr caps_;         ///< the decoder's input
  CapsPtr wanted_caps_;  ///< the parser's output
  std::string element_;  ///< what kind the decoder is
  DecoderRecord record_;
  gulong probe_ = 0;

  /// Guards what follows. Never held while calling out.
  mutable std::mutex mutex_;
  ObjectPtr<GstElement> decoder_;
  Settings settings_{};
  Generation gate_ = 0;  ///< who may enter, 0: nobody
  Generation fed_ = 0;
  std::optional<Loss> loss_;
  bool settler_waits_ = false;  ///< for the stream lock, and settles whatever was lost until then
  bool needs_keyframe_ = true;
  bool announce_ = false;    ///< the next frame is the first one of its connection
  bool delivering_ = false;  ///< downstream was told streaming=true last
  bool discont_ = false;
  bool input_pending_ = false;      ///< the decoder was fed since it was drained
  bool decoder_delivered_ = false;  ///< the decoder has made a frame
  bool decoder_failed_ = false;
  bool decoder_unwanted_ = false;  ///< the user wants another one
  guint64 decoder_frames_ = 0;     ///< made by the decoder
  PictureCount pictures_;
  bool stream_started_ = false;  ///< downstream has its stream-start and segment
  bool segment_sent_ = false;
  bool flushed_ = false;
  Timeline timeline_;
  Bitrate bitrate_;
  ReconnectPolicy::Time last_frame_{};
  Statistics statistics_;

  std::atomic<GstClockTime> latency_{0};
};

}  // namespace cudacam
