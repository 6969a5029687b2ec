// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/decoder-stage.hpp"

#include <utility>

#include "decode/registry.hpp"
#include "frame/camera-event.h"
#include "ingest/failure.hpp"

GST_DEBUG_CATEGORY_STATIC(cudacam_decoder_debug);
#define GST_CAT_DEFAULT cudacam_decoder_debug

namespace cudacam {
namespace {

void init_debug() {
  static const bool once = [] {
    GST_DEBUG_CATEGORY_INIT(cudacam_decoder_debug, "cudacamdecoder", 0,
                            "the decoder that cudacamsrc keeps");
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace

DecoderStage::DecoderStage(GstBin *bin, GstPad *source, Callbacks callbacks)
    : bin_(bin), source_(source), callbacks_(std::move(callbacks)) {
  init_debug();
  feed_ = sink(gst_pad_new("feed", GST_PAD_SRC));
  gst_pad_set_query_function_full(feed_.get(), feed_query, this, nullptr);
  // QoS and seeks end here: a camera can do neither. Key units are asked for by the depayloader.
  // The pipeline's latency is taken note of, there is nothing to do for it.
  gst_pad_set_event_function(feed_.get(), [](GstPad *, GstObject *, GstEvent *raw) -> gboolean {
    const EventPtr event(raw);
    return GST_EVENT_TYPE(raw) == GST_EVENT_LATENCY;
  });
}

DecoderStage::~DecoderStage() {
  gst_pad_set_active(feed_.get(), FALSE);
}

void DecoderStage::start() {
  gst_pad_set_active(feed_.get(), TRUE);
  bool flushed;
  {
    std::lock_guard lock(mutex_);
    flushed = std::exchange(flushed_, false);
    stream_started_ = segment_sent_ = false;
    discont_ = delivering_ = announce_ = false;
    loss_.reset();
    timeline_ = {};
    bitrate_ = {};
    statistics_ = {};
    pictures_ = {};
  }
  if (flushed) gst_pad_push_event(source_, gst_event_new_flush_stop(TRUE));
}

void DecoderStage::stop() {
  std::unique_lock stream(stream_lock_);
  gst_pad_set_active(feed_.get(), FALSE);
  drop_decoder();
}

void DecoderStage::enter(Generation generation, Settings settings) {
  std::lock_guard lock(mutex_);
  gate_ = generation;
  needs_keyframe_ = true;
  if (settings.decoder != settings_.decoder) decoder_unwanted_ = true;
  settings_ = std::move(settings);
  latency_ = settings_.latency;
}

void DecoderStage::leave(Reason reason, bool end) {
  std::lock_guard lock(mutex_);
  gate_ = 0;
  loss_ = Loss{reason, end};
}

bool DecoderStage::settle(bool wait) {
  std::unique_lock stream(stream_lock_, std::defer_lock);
  if (wait) {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(settler_waits_, true)) return true;
    }
    stream.lock();
    std::lock_guard lock(mutex_);
    settler_waits_ = false;
  } else if (!stream.try_lock()) {
    return false;
  }
  settle_locked();
  return true;
}

/// For who has just let go of the stream lock.
void DecoderStage::settle_late() {
  {
    std::lock_guard lock(mutex_);
    if (!loss_ || loss_->reason == Reason::none) return;
  }
  settle(false);
}

void DecoderStage::settle_locked() {
  std::optional<Loss> loss;
  {
    std::lock_guard lock(mutex_);
    loss = std::exchange(loss_, std::nullopt);
  }
  if (!loss) return;
  drain();

  bool delivering;
  std::string camera;
  guint64 connection;
  std::optional<Timeline::Duration> latest;
  {
    std::lock_guard lock(mutex_);
    delivering = std::exchange(delivering_, false);
    announce_ = false;
    if (delivering) discont_ = true;
    // It may have stopped for good, whatever it did before.
    if (loss->reason == Reason::no_frames && pictures_.is_fruitless()) decoder_failed_ = true;
    pictures_.end();
    camera = settings_.camera;
    connection = statistics_.connections;
    latest = timeline_.latest();
  }
  if (delivering) {
    // A downstream that is on its way to READY refuses the event, and the pad would repeat it,
    // being sticky, in front of the GAP.
    const bool told = gst_pad_push_event(
        source_,
        gst_cuda_cam_event_new_camera(camera.c_str(), connection, FALSE, nick(loss->reason)));
    if (told && latest)
      gst_pad_push_event(source_, gst_event_new_gap(latest->count(), GST_CLOCK_TIME_NONE));
  }
  if (loss->end) gst_pad_push_event(source_, gst_event_new_eos());
}

/// What is left inside the decoder belongs to the old connection and comes out now or never.
///
/// EOS is what drains every decoder: openh264dec and libde265dec (1.22 to 1.26) implement no other
/// way, and GstVideoDecoder does not drain at a GAP. The stream-start that follows lifts EOS from
/// the pads again; neither leaves the bin (output_event).
void DecoderStage::drain() {
  bool pending, delivered;
  {
    std::lock_guard lock(mutex_);
    pending = std::exchange(input_pending_, false);
    delivered = decoder_delivered_;
    // GstVideoDecoder calls EOS after input without output an error, and a decoder that made
    // nothing of a whole connection is not worth keeping.
    if (pending && !delivered) decoder_failed_ = true;
  }
  if (!pending || !delivered || !codec_) return;
  feed_event(gst_event_new_eos());
  feed_event(gst_event_new_stream_start("cudacam"));
}

bool DecoderStage::is_open_for(Generation from) const {
  std::lock_guard lock(mutex_);
  return gate_ == from;
}

bool DecoderStage::on_caps(Generation from, const Codec &codec, GstCaps *caps) {
  std::unique_lock stream(stream_lock_);
  if (!is_open_for(from)) return false;
  settle_locked();
  wanted_caps_ = share(caps);
  return ensure_decoder(from, codec);
}

/// Only in front of a packet: a parser's first caps lack what it reads from the first parameter
/// sets, and a kept decoder would reconfigure for them and back again.
void DecoderStage::apply_caps() {
  if (!wanted_caps_ || (caps_ && gst_caps_is_equal(caps_.get(), wanted_caps_.get()))) return;
  GST_INFO_OBJECT(bin_, "decoder input: %" GST_PTR_FORMAT, static_cast<void *>(wanted_caps_.get()));
  const bool first = !caps_;
  caps_ = share(wanted_caps_.get());
  if (first) {
    begin_stream(caps_.get());
  } else {
    feed_event(gst_event_new_caps(caps_.get()));
  }
}

bool DecoderStage::feed_event(GstEvent *event) {
  return gst_pad_push_event(feed_.get(), event);
}

void DecoderStage::begin_stream(GstCaps *caps) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  const CharPtr id(gst_pad_create_stream_id(source_, GST_ELEMENT(bin_), nullptr));
  auto *start = gst_event_new_stream_start(id.get());
  gst_event_set_group_id(start, gst_util_group_id_next());
  feed_event(start);
  feed_event(gst_event_new_caps(caps));
  feed_event(gst_event_new_segment(&segment));
}

GstFlowReturn DecoderStage::on_buffer(Generation from, BufferPtr buffer,
                                      std::optional<Timeline::Duration> time) {
  const auto flow = decode(from, std::move(buffer), time);
  settle_late();
  return flow;
}

GstFlowReturn DecoderStage::decode(Generation from, BufferPtr buffer,
                                   std::optional<Timeline::Duration> time) {
  std::unique_lock stream(stream_lock_);
  if (!is_open_for(from)) return GST_FLOW_FLUSHING;
  settle_locked();
  if (!codec_) return GST_FLOW_NOT_NEGOTIATED;

  const bool keyframe = !GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT);
  const auto running = admit(from, keyframe, gst_buffer_get_size(buffer.get()), time);
  if (!running) return GST_FLOW_OK;
  apply_caps();

  buffer.reset(gst_buffer_make_writable(buffer.release()));
  GST_BUFFER_PTS(buffer.get()) = running->count();
  GST_BUFFER_DTS(buffer.get()) = GST_CLOCK_TIME_NONE;
  const auto result = gst_pad_push(feed_.get(), buffer.release());
  if (result == GST_FLOW_OK || result == GST_FLOW_FLUSHING) return result;

  const auto decoded = adopt(gst_element_get_static_pad(decoder_.get(), "src"));
  // EOS is remembered of drain(), too, until the next frame; only then it is not what came back.
  const auto last = gst_pad_get_last_flow_return(decoded.get());
  const auto beyond = last == GST_FLOW_EOS && result != GST_FLOW_EOS ? GST_FLOW_OK : last;
  if (beyond != GST_FLOW_OK && beyond != GST_FLOW_FLUSHING) {
    callbacks_.refused(from, beyond);
  } else {
    decoder_failed();
    callbacks_.failure(from, failure_of(Reason::decoder_failed));
  }
  return GST_FLOW_FLUSHING;
}

/// The running time of a packet that goes into the decoder; none: it is skipped.
std::optional<Timeline::Duration> DecoderStage::admit(Generation from, bool keyframe,
                                                      std::size_t size,
                                                      std::optional<Timeline::Duration> time) {
  const GstClockTime now = gst_element_get_current_running_time(GST_ELEMENT(bin_));
  std::lock_guard lock(mutex_);
  if (gate_ != from) return std::nullopt;  // lost while the loss before it was told
  bitrate_.add(size, ReconnectPolicy::Clock::now());
  if (needs_keyframe_ && !keyframe) {
    statistics_.skipped++;
    return std::nullopt;
  }
  if (needs_keyframe_) {
    needs_keyframe_ = false;
    announce_ = true;
    fed_ = from;
    timeline_.begin(Timeline::Duration(settings_.latency));
  }
  input_pending_ = true;
  const auto clock = GST_CLOCK_TIME_IS_VALID(now) ? Timeline::Duration(now)
                                                  : time.value_or(Timeline::Duration::zero());
  const auto running = timeline_.input(time, clock);
  pictures_.fed(running);
  return running;
}

bool DecoderStage::ensure_decoder(Generation from, const Codec &codec) {
  std::string wish;
  bool usable;
  {
    std::lock_guard lock(mutex_);
    usable = decoder_ && codec_ == &codec && !decoder_failed_ && !decoder_unwanted_;
    wish = settings_.decoder;
    if (decoder_ && decoder_failed_) record_.failed(element_, decoder_frames_);
  }
  if (usable) return true;
  drop_decoder();

  const auto choice = choose_decoder(codec, wish, [&](const auto &name) {
    const auto fact = decoder_fact(codec, name);
    return fact == DecoderFact::fit && record_.is_failing(name) ? DecoderFact::failing : fact;
  });
  auto decoder = choice.element.empty() ? nullptr : make_decoder(choice.element);
  if (!decoder) {
    callbacks_.failure(
        from, {Reason::missing_plugin, choice.problem.empty()
                                           ? "Decoder " + choice.element + " cannot be made"
                                           : choice.problem});
    return false;
  }
  GST_INFO_OBJECT(bin_, "decoding %s with %s", codec.name, choice.element.c_str());
  const auto previous = std::exchange(element_, choice.element);
  if (wish.empty() && previous != element_ && record_.is_failing(previous))
    callbacks_.fallback("Decoder " + previous + " fails again and again: decoding goes on with " +
                        element_);
  const auto input = adopt(gst_element_get_static_pad(decoder.get(), "sink"));
  const auto output = adopt(gst_element_get_static_pad(decoder.get(), "src"));
  gst_bin_add(bin_, decoder.get());
  probe_ = gst_pad_add_probe(
      output.get(),
      GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      output_probe, this, nullptr);
  gst_ghost_pad_set_target(GST_GHOST_PAD(source_), output.get());
  gst_pad_set_active(feed_.get(), TRUE);
  gst_pad_link(feed_.get(), input.get());
  {
    std::lock_guard lock(mutex_);
    decoder_ = share(decoder.get());
    decoder_delivered_ = decoder_failed_ = decoder_unwanted_ = input_pending_ = false;
    decoder_frames_ = 0;
    statistics_.decoders++;
  }
  codec_ = &codec;
  if (!gst_element_sync_state_with_parent(decoder.get())) {
    decoder_failed();
    callbacks_.failure(from, failure_of(Reason::decoder_failed));
    return false;
  }
  return true;
}

void DecoderStage::drop_decoder() {
  ObjectPtr<GstElement> old;
  {
    std::lock_guard lock(mutex_);
    old = std::move(decoder_);
  }
  codec_ = nullptr;
  caps_ = nullptr;
  if (!old) return;
  const auto input = adopt(gst_element_get_static_pad(old.get(), "sink"));
  const auto output = adopt(gst_element_get_static_pad(old.get(), "src"));
  gst_pad_remove_probe(output.get(), std::exchange(probe_, 0));
  gst_pad_unlink(feed_.get(), input.get());
  // Forgets its caps: a decoder of another codec that asks before it is fed would be told them.
  gst_pad_set_active(feed_.get(), FALSE);
  gst_ghost_pad_set_target(GST_GHOST_PAD(source_), nullptr);
  gst_element_set_locked_state(old.get(), TRUE);
  gst_bin_remove(bin_, old.get());
  callbacks_.retire(std::move(old));
}

void DecoderStage::decoder_failed() {
  std::lock_guard lock(mutex_);
  decoder_failed_ = true;
}

void DecoderStage::unblock() {
  {
    std::lock_guard lock(mutex_);
    loss_.reset();
  }
  if (stream_lock_.wait_idle(std::chrono::milliseconds(200))) return;
  GST_DEBUG_OBJECT(bin_, "downstream blocks: flushing it to stop");
  {
    std::lock_guard lock(mutex_);
    flushed_ = true;
  }
  gst_pad_push_event(source_, gst_event_new_flush_start());
  stream_lock_.wait_idle(std::chrono::seconds(5));
}

/// Latency is the same whether or not a camera is there, so sinks are configured once.
gboolean DecoderStage::feed_query(GstPad *pad, GstObject *parent, GstQuery *query) {
  auto *self = static_cast<DecoderStage *>(pad->querydata);
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, TRUE, self->latency_, GST_CLOCK_TIME_NONE);
  return TRUE;
}

bool DecoderStage::contains(GstObject *object) const {
  std::lock_guard lock(mutex_);
  return decoder_ && (object == GST_OBJECT(decoder_.get()) ||
                      gst_object_has_as_ancestor(object, GST_OBJECT(decoder_.get())));
}

Generation DecoderStage::fed() const {
  std::lock_guard lock(mutex_);
  return fed_;
}

ReconnectPolicy::Time DecoderStage::last_frame() const {
  std::lock_guard lock(mutex_);
  return last_frame_;
}

DecoderStage::Statistics DecoderStage::statistics() const {
  std::lock_guard lock(mutex_);
  auto statistics = statistics_;
  statistics.dropped = pictures_.dropped();
  statistics.bitrate = bitrate_.bits_per_second(ReconnectPolicy::Clock::now());
  return statistics;
}

}  // namespace cudacam
