// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the supervisor hears, on the threads of others: only posted, never acted upon.
#include "camera/supervisor.hpp"

#include <utility>

GST_DEBUG_CATEGORY_EXTERN(cudacamsrc_debug);
#define GST_CAT_DEFAULT cudacamsrc_debug

namespace cudacam {

void Supervisor::reconnect() {
  post([this] {
    GST_INFO_OBJECT(bin_, "asked to reconnect");
    const auto next = policy_.reconnect(Time::clock::now());
    if (next == Step::close) failure_ = Failure{Reason::requested, ""};
    step(next);
  });
}

void Supervisor::limits_changed() {
  post([this] { set_limits(callbacks_.settings()); });
}

void Supervisor::finish() {
  post([this] { end(); });
}

bool Supervisor::handle_message(GstMessage *message) {
  auto *origin = GST_MESSAGE_SRC(message);
  if (!origin || origin == GST_OBJECT(bin_)) return false;
  const auto current = connection();
  const bool of_connection = current && current->contains(origin);
  const bool of_decoder = !of_connection && stage_.contains(origin);
  // The rest is given up, and says its last while it leaves the bin.

  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR:
      if (of_connection) {
        on_failure(current->generation(), failure_of(message, current->offers()));
      } else if (of_decoder) {
        auto failure = failure_of(message, {});
        failure.reason = Reason::decoder_failed;
        failure.sentence = failure_of(Reason::decoder_failed).sentence;
        stage_.decoder_failed();
        on_failure(stage_.fed(), std::move(failure));
      }
      return true;
    case GST_MESSAGE_WARNING:
      GST_INFO_OBJECT(bin_, "warning from %s", GST_OBJECT_NAME(origin));
      return true;
    case GST_MESSAGE_ELEMENT:
      if (of_connection && gst_message_has_name(message, "GstRTSPSrcTimeout"))
        on_failure(current->generation(), failure_of(Reason::stalled));
      return !of_decoder;
    // States and clocks of a connection are not those of the bin: it is live, PLAYING and without a
    // clock of its own whether or not a camera is there.
    case GST_MESSAGE_EOS:
    case GST_MESSAGE_PROGRESS:
    case GST_MESSAGE_ASYNC_START:
    case GST_MESSAGE_ASYNC_DONE:
    case GST_MESSAGE_CLOCK_PROVIDE:
    case GST_MESSAGE_CLOCK_LOST:
      return !of_decoder;
    default:
      return false;
  }
}

void Supervisor::on_first_packet(Generation from) {
  post([this, from, now = Time::clock::now()] { step(policy_.packet(from, now)); });
}

bool Supervisor::on_caps(Generation from, const Codec &codec, GstCaps *caps) {
  return stage_.on_caps(from, codec, caps);
}

GstFlowReturn Supervisor::on_buffer(Generation from, BufferPtr buffer,
                                    std::optional<std::chrono::nanoseconds> time) {
  return stage_.on_buffer(from, std::move(buffer), time);
}

void Supervisor::on_failure(Generation from, Failure failure) {
  post([this, from, failure = std::move(failure)]() mutable { lose(from, std::move(failure)); });
}

}  // namespace cudacam
