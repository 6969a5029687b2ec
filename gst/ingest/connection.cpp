// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ingest/connection.hpp"

#include "base/error.hpp"
#include "ingest/rtsp-source.hpp"

GST_DEBUG_CATEGORY_STATIC(cudacam_connection_debug);
#define GST_CAT_DEFAULT cudacam_connection_debug

namespace cudacam {
namespace {

void init_debug() {
  static const bool once = [] {
    GST_DEBUG_CATEGORY_INIT(cudacam_connection_debug, "cudacamconnection", 0,
                            "one connection of cudacamsrc to its camera");
    return true;
  }();
  static_cast<void>(once);
}

const char *package_hint(std::string_view factory) {
  if (factory.substr(0, 3) == "rtp" || factory == "rtspsrc") return "gstreamer1.0-plugins-good";
  return "gstreamer1.0-plugins-bad";
}

}  // namespace

/// What the pad functions of the outlet know. They run on the streaming thread only.
struct Connection::PadLink {
  Generation generation;
  const Codec &codec;
  std::weak_ptr<StreamReceiver> receiver;
  GstSegment segment;

  static PadLink &of(GstPad *pad) { return *static_cast<PadLink *>(pad->chaindata); }
  static GstFlowReturn chain(GstPad *pad, GstObject *, GstBuffer *raw) {
    auto &self = of(pad);
    BufferPtr buffer(raw);
    const auto receiver = self.receiver.lock();
    if (!receiver) return GST_FLOW_FLUSHING;
    std::optional<std::chrono::nanoseconds> time;
    if (GST_BUFFER_PTS_IS_VALID(raw) && self.segment.format == GST_FORMAT_TIME) {
      guint64 running = 0;
      const int sign = gst_segment_to_running_time_full(&self.segment, GST_FORMAT_TIME,
                                                        GST_BUFFER_PTS(raw), &running);
      if (sign != 0) time = std::chrono::nanoseconds(sign * static_cast<gint64>(running));
    }
    return receiver->on_buffer(self.generation, std::move(buffer), time);
  }
  static gboolean event(GstPad *pad, GstObject *, GstEvent *raw) {
    auto &self = of(pad);
    const EventPtr event(raw);
    const auto receiver = self.receiver.lock();
    if (!receiver) return FALSE;
    switch (GST_EVENT_TYPE(raw)) {
      case GST_EVENT_CAPS: {
        GstCaps *caps = nullptr;
        gst_event_parse_caps(raw, &caps);
        return receiver->on_caps(self.generation, self.codec, caps);
      }
      case GST_EVENT_SEGMENT:
        gst_event_copy_segment(raw, &self.segment);
        return TRUE;
      case GST_EVENT_EOS:
        receiver->on_failure(self.generation, failure_of(Reason::end_of_stream));
        return TRUE;
      default:
        return TRUE;  // stream-start, tags, gaps: the kept decoder has its own
    }
  }
};

Connection::Connection(Generation generation, ConnectionSettings settings,
                       std::weak_ptr<StreamReceiver> receiver)
    : generation_(generation), settings_(std::move(settings)), receiver_(std::move(receiver)) {
  init_debug();
  bin_ = sink(gst_bin_new(("connection-" + std::to_string(generation)).c_str()));
  gst_element_set_locked_state(bin_.get(), TRUE);
  source_ = add_element(make_rtsp_source(), "rtspsrc");
  const bool own_user = !settings_.user.empty();
  const bool own_password = !settings_.password.empty();
  g_object_set(source_, "location", settings_.location.url.c_str(), "latency", settings_.latency,
               "protocols", settings_.protocols, "tcp-timeout", settings_.tcp_timeout,
               "teardown-timeout", settings_.teardown_timeout, "tls-validation-flags",
               settings_.tls_validation_flags, "tls-database", settings_.tls_database.get(),
               "add-reference-timestamp-meta", TRUE, "user-id",
               (own_user ? settings_.user : settings_.location.user).c_str(), "user-pw",
               (own_password ? settings_.password : settings_.location.password).c_str(), nullptr);
  g_signal_connect(source_, "select-stream", G_CALLBACK(select_stream), this);
  g_signal_connect(source_, "pad-added", G_CALLBACK(pad_added), this);
}

Connection::~Connection() {
  if (outlet_) gst_pad_set_active(outlet_.get(), FALSE);
}

GstElement *Connection::add_element(GstElement *element, const char *factory) {
  if (!element)
    throw ElementError(
        GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        std::string("Element ") + factory + " is not installed: install " + package_hint(factory));
  gst_bin_add(GST_BIN(bin_.get()), element);
  return element;
}

void Connection::open(GstBin *parent) {
  gst_bin_add(parent, bin_.get());
  gst_element_set_base_time(bin_.get(), gst_element_get_base_time(GST_ELEMENT(parent)));
  gst_element_set_state(bin_.get(), GST_STATE_PLAYING);
}

void Connection::detach() {
  const auto parent = adopt(gst_object_get_parent(GST_OBJECT(bin_.get())));
  if (parent) gst_bin_remove(GST_BIN(parent.get()), bin_.get());
}

/// rtspsrc (1.22 to 1.24) forgets the number of its events on the way to READY; a loop that still
/// stumbles over a reset connection then sends EOS without one, which is a GLib critical. On the
/// way to PAUSED it stumbles a last time, says so, and takes the connection for closed; on the way
/// to PLAYING the state change waits for the loop to end that round. After that it has nothing left
/// to read.
void Connection::let_source_rest() {
  {
    // Also for ThreadSanitizer, which does not see the bus's lock.
    std::lock_guard lock(mutex_);
    warned_ = false;
  }
  const auto bus = adopt(gst_bus_new());
  gst_bus_set_sync_handler(bus.get(), on_closing_message, this, nullptr);
  gst_element_set_bus(bin_.get(), bus.get());
  gst_element_set_state(bin_.get(), GST_STATE_PAUSED);
  {
    std::unique_lock lock(mutex_);
    warned_changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return warned_; });
  }
  gst_element_set_state(bin_.get(), GST_STATE_PLAYING);
  gst_element_set_bus(bin_.get(), nullptr);
}

GstBusSyncReply Connection::on_closing_message(GstBus *, GstMessage *message, gpointer data) {
  auto *self = static_cast<Connection *>(data);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
    std::lock_guard lock(self->mutex_);
    self->warned_ = true;
    self->warned_changed_.notify_all();
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

void Connection::shut(bool broken) {
  if (broken) let_source_rest();
  gst_element_set_state(bin_.get(), GST_STATE_NULL);
  g_signal_handlers_disconnect_by_data(source_, this);
}

bool Connection::contains(GstObject *object) const {
  return object == GST_OBJECT(bin_.get()) ||
         gst_object_has_as_ancestor(object, GST_OBJECT(bin_.get()));
}

ReconnectPolicy::Time Connection::last_packet() const {
  return ReconnectPolicy::Time(ReconnectPolicy::Duration(last_packet_.load()));
}

std::vector<StreamOffer> Connection::offers() const {
  std::lock_guard lock(mutex_);
  return offers_;
}

void Connection::report(Failure failure) {
  if (const auto receiver = receiver_.lock()) receiver->on_failure(generation_, std::move(failure));
}

/// Only the first video stream that can be decoded is set up: nothing else is fetched.
gboolean Connection::select_stream(GstElement *, guint number, GstCaps *caps, Connection *self) {
  auto offer = stream_offer(caps);
  const auto *codec = offer.video ? find_codec(offer.encoding_name) : nullptr;
  GST_DEBUG_OBJECT(self->bin_.get(), "stream %u: %s %s", number, offer.video ? "video" : "other",
                   offer.encoding_name.c_str());
  std::lock_guard lock(self->mutex_);
  self->offers_.push_back(std::move(offer));
  if (self->selected_ || !codec) return FALSE;
  self->selected_ = codec;
  return TRUE;
}

void Connection::pad_added(GstElement *, GstPad *pad, Connection *self) {
  try {
    self->add_stream(pad);
  } catch (const ElementError &error) {
    self->report({Reason::missing_plugin, error.what(), error.details()});
  }
}

void Connection::add_stream(GstPad *pad) {
  const Codec *codec = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (outlet_) return;
    codec = selected_;
  }
  if (!codec) return;
  const auto make = [this](const char *factory) {
    return add_element(gst_element_factory_make(factory, nullptr), factory);
  };
  auto *depay = make(codec->depay);
  auto *parse = make(codec->parse);
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(parse), "config-interval"))
    g_object_set(parse, "config-interval", -1, nullptr);
  gst_element_link(depay, parse);

  auto outlet = make_outlet(*codec);
  const auto parsed = adopt(gst_element_get_static_pad(parse, "src"));
  const auto packets = adopt(gst_element_get_static_pad(depay, "sink"));
  gst_pad_link(parsed.get(), outlet.get());
  gst_element_sync_state_with_parent(parse);
  gst_element_sync_state_with_parent(depay);
  gst_pad_add_probe(pad,
                    GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
                    packet_probe, this, nullptr);
  {
    std::lock_guard lock(mutex_);
    outlet_ = std::move(outlet);
  }
  const auto result = gst_pad_link(pad, packets.get());
  if (GST_PAD_LINK_FAILED(result))
    report({Reason::stream_error, "The camera's stream does not fit its own description",
            gst_pad_link_get_name(result)});
}

ObjectPtr<GstPad> Connection::make_outlet(const Codec &codec) {
  const CapsPtr caps(gst_caps_from_string(codec.caps));
  const auto pad_template =
      sink(gst_pad_template_new("outlet", GST_PAD_SINK, GST_PAD_ALWAYS, caps.get()));
  auto pad = sink(gst_pad_new_from_template(pad_template.get(), "outlet"));
  auto *link = new PadLink{generation_, codec, receiver_, {}};
  gst_segment_init(&link->segment, GST_FORMAT_UNDEFINED);
  gst_pad_set_chain_function_full(pad.get(), PadLink::chain, link,
                                  [](gpointer data) { delete static_cast<PadLink *>(data); });
  gst_pad_set_event_function(pad.get(), PadLink::event);
  gst_pad_set_active(pad.get(), TRUE);
  return pad;
}

GstPadProbeReturn Connection::packet_probe(GstPad *, GstPadProbeInfo *, gpointer data) {
  auto *self = static_cast<Connection *>(data);
  const auto now = ReconnectPolicy::Clock::now().time_since_epoch().count();
  if (self->last_packet_.exchange(now) == 0) {
    if (const auto receiver = self->receiver_.lock()) receiver->on_first_packet(self->generation_);
  }
  return GST_PAD_PROBE_OK;
}

}  // namespace cudacam
