// SPDX-License-Identifier: LGPL-2.1-or-later
/// One generation of `rtspsrc ! depay ! parse`.
#pragma once

#include <gio/gio.h>
#include <gst/gst.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/ptr.hpp"
#include "ingest/codec.hpp"
#include "ingest/failure.hpp"
#include "ingest/location.hpp"
#include "ingest/reconnect-policy.hpp"

namespace cudacam {

/// Where a connection's stream goes. Called from its streaming thread, also after it was declared
/// lost: the receiver compares generations.
class StreamReceiver {
 public:
  virtual ~StreamReceiver() = default;

  /// The RTSP session delivers its first packet.
  virtual void on_first_packet(Generation from) = 0;
  /// The parser's caps; false when they cannot be decoded, and the receiver has reported why.
  virtual bool on_caps(Generation from, const Codec &codec, GstCaps *caps) = 0;
  /// `time`: running time of the buffer in this connection, none when it has no timestamp.
  virtual GstFlowReturn on_buffer(Generation from, BufferPtr buffer,
                                  std::optional<std::chrono::nanoseconds> time) = 0;
  virtual void on_failure(Generation from, Failure failure) = 0;
};

/// What rtspsrc is told.
struct ConnectionSettings {
  Location location;
  guint protocols;   ///< GstRTSPLowerTrans
  guint latency;     ///< ms
  std::string user;  ///< wins over the location's
  std::string password;
  guint64 tcp_timeout;       ///< us
  guint64 teardown_timeout;  ///< ns
  GTlsCertificateFlags tls_validation_flags;
  std::shared_ptr<GTlsDatabase> tls_database;  ///< null: the system's
};

/// Owns a bin with rtspsrc and, once its caps are known, depayloader and parser, and a pad behind
/// the parser that hands everything to the receiver. The bin's state is ours alone (locked).
///
/// Lifetime: open() puts the bin into its parent and starts it. detach() takes it out of the
/// parent, so that no state change of the parent waits for it; then shut() may block for as long as
/// rtspsrc likes and belongs on a private thread. The receiver must outlive shut(), or be weak
/// inside.
class Connection {
 public:
  /// Throws Failure's sentence as ElementError when rtspsrc is not installed.
  Connection(Generation generation, ConnectionSettings settings,
             std::weak_ptr<StreamReceiver> receiver);
  ~Connection();
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;

  void open(GstBin *parent);
  void detach();
  /// `broken`: rtspsrc reported a broken connection.
  void shut(bool broken);

  Generation generation() const { return generation_; }
  const ConnectionSettings &settings() const { return settings_; }
  /// Whether `object` is the bin or inside it.
  bool contains(GstObject *object) const;
  /// When the latest RTP packet arrived; the epoch before the first.
  ReconnectPolicy::Time last_packet() const;
  std::vector<StreamOffer> offers() const;

 private:
  struct PadLink;

  static gboolean select_stream(GstElement *, guint number, GstCaps *caps, Connection *self);
  static void pad_added(GstElement *, GstPad *pad, Connection *self);
  static GstPadProbeReturn packet_probe(GstPad *, GstPadProbeInfo *, gpointer self);
  void add_stream(GstPad *pad);
  /// Takes the element, which is null when the factory is missing; throws then.
  GstElement *add_element(GstElement *element, const char *factory);
  ObjectPtr<GstPad> make_outlet(const Codec &codec);
  void report(Failure failure);
  void let_source_rest();
  static GstBusSyncReply on_closing_message(GstBus *, GstMessage *message, gpointer self);

  const Generation generation_;
  const ConnectionSettings settings_;
  const std::weak_ptr<StreamReceiver> receiver_;
  ObjectPtr<GstElement> bin_;
  GstElement *source_ = nullptr;  ///< rtspsrc, owned by bin_
  std::atomic<ReconnectPolicy::Time::rep> last_packet_{0};

  /// Guards what follows, which rtspsrc's threads write. Never held while calling out.
  mutable std::mutex mutex_;
  std::vector<StreamOffer> offers_;
  const Codec *selected_ = nullptr;
  ObjectPtr<GstPad> outlet_;
  bool warned_ = false;
  std::condition_variable warned_changed_;
};

}  // namespace cudacam
