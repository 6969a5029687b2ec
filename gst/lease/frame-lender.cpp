// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/frame-lender.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "frame/camera-event.h"
#include "frame/frame-meta.h"
#include "frame/outstanding-query.h"
#include "lease/lender.h"
#include "lease/sink-report.hpp"

GST_DEBUG_CATEGORY_EXTERN(cudacamsink_debug);
#define GST_CAT_DEFAULT cudacamsink_debug

namespace cudacam {
namespace {

using Clock = Ledger::Clock;

/// What the ledger lends: a frame and its format.
struct Frame {
  BufferPtr buffer;
  CapsPtr caps;
  GstSegment segment;
};

/// What a lease keeps so that it can be returned after the sink is gone.
struct Ticket {
  std::shared_ptr<Ledger> ledger;
  std::uint64_t id;
  FrameRef frame;  // how the ledger finds it
};

/// Who pulls samples, in statistics.
constexpr const char *kSampleHolder = "try-pull-sample";

/// The far end of all clocks is not representable in nanoseconds from now; this far is for ever.
constexpr auto kForEver = std::chrono::hours(24 * 365);

GstClockTime limited(GstClockTime timeout) {
  return std::min(timeout, static_cast<GstClockTime>(std::chrono::nanoseconds(kForEver).count()));
}

Clock::time_point after(GstClockTime timeout) {
  return Clock::now() + std::chrono::nanoseconds(limited(timeout));
}

Ticket &ticket(gpointer data) {
  return *static_cast<Ticket *>(data);
}

constexpr GstCudaCamLeaseFuncs kWayBack = {
    [](gpointer data) {
      const std::unique_ptr<Ticket> mine(&ticket(data));
      mine->frame.reset();  // first: who has waited for the lease finds its slot free
      mine->ledger->release(mine->id);
    },
    [](gpointer data) { return gboolean{ticket(data).ledger->is_revoked(ticket(data).id)}; },
    {}};

}  // namespace

void FrameLender::start() {
  // No frame comes yet, and the threads that bring them are started after us.
  inlet_ = std::make_shared<Ledger>();
  caps_ = nullptr;
  early_ = nullptr;
  warned_of_foreign_frames_ = false;
  next_statistics_ = {};
  camera_.start();
  std::lock_guard lock(lock_);
  inlet_->limit(settings_.max_leases);
  for (const auto &[name, queue_size] : holders_) inlet_->set_queue(name, queue_size);
  watch_locked(inlet_);  // throws if there is no thread to be had: then nothing is lent
  {
    std::lock_guard readers(ledger_lock_);
    ledger_ = inlet_;
  }
  started_ = true;
  restarter_.start();
}

void FrameLender::stop() {
  std::shared_ptr<Ledger> book;
  GstClockTime timeout = 0;
  {
    std::lock_guard lock(lock_);
    if (!std::exchange(started_, false)) return;
    book = ledger();
    timeout = settings_.drain_timeout;
  }
  for (const auto &row : book->stop(after(timeout)))
    GST_INFO_OBJECT(element_, "stopped while %s holds %u leases; their frames stay valid",
                    row.holder.c_str(), row.leases);
  restarter_.stop();
  std::unique_ptr<OverdueWatch> watch;  // ends without the lock, which its reports may want
  std::lock_guard lock(lock_);
  watch = std::move(watch_);
}

/// The watch over `book`, when it is needed and not there, or its new timeout.
void FrameLender::watch_locked(const std::shared_ptr<Ledger> &book) {
  const auto timeout = std::chrono::nanoseconds(limited(settings_.lease_timeout));
  if (watch_) {
    watch_->set_timeout(timeout);
  } else if (settings_.lease_timeout) {
    watch_ = std::make_unique<OverdueWatch>(
        book, timeout, [this](const LeaseBook::Overdue &overdue) { report(overdue); });
  }
}

void FrameLender::report(const LeaseBook::Overdue &overdue) {
  const auto age = std::chrono::nanoseconds(overdue.age).count();
  GST_WARNING_OBJECT(element_, "%s has held a lease for %" GST_TIME_FORMAT, overdue.holder.c_str(),
                     GST_TIME_ARGS(static_cast<GstClockTime>(age)));
  gst_element_post_message(element_, overdue_message(element_, overdue));
  g_signal_emit_by_name(element_, "lease-overdue", overdue.holder.c_str(),
                        static_cast<guint64>(age));
}

std::shared_ptr<Ledger> FrameLender::ledger() const {
  std::lock_guard lock(ledger_lock_);
  return ledger_;
}

void FrameLender::set_caps(GstCaps *caps) {
  // The way upstream is complete as far as caps have come along it.
  if (restarts_) camera_.set_source(restarter_.note_route(pad()));
  caps_ = share(caps);
}

void FrameLender::observe(GstEvent *event) {
  const bool restarts = restarts_;
  joint_.see(pad(), event, restarts);
  if (restarts && GST_EVENT_TYPE(event) == GST_EVENT_EOS) restarter_.note_flow(false);
  camera_.see(event, restarts);
}

void FrameLender::join(GstBuffer *frame) {
  if (restarts_) joint_.see(pad(), frame, gst_element_get_current_running_time(element_));
}

gboolean FrameLender::reconnect() {
  const auto wish = settings();
  if (wish.drain_timeout) gst_structure_free(drain(wish.drain_timeout));
  switch (wish.reconnect_mode) {
    case ReconnectMode::kOff:
      return FALSE;
    case ReconnectMode::kEvent: {
      const auto reason = std::string("asked by ") + GST_OBJECT_NAME(element_);
      return gst_pad_push_event(pad(), gst_cuda_cam_event_new_reconnect(reason.c_str()));
    }
    case ReconnectMode::kState:
      break;
  }
  if (!restarter_.restart(pad())) {
    GST_WARNING_OBJECT(element_,
                       "there is no telling which source feeds this sink, so none is restarted");
    return FALSE;
  }
  return TRUE;
}

/// Takes no lock that a reader may hold.
GstFlowReturn FrameLender::publish(GstBuffer *buffer) {
  const auto early = std::exchange(early_, nullptr);
  if (early.get() == buffer) return GST_FLOW_OK;
  if (!inlet_) return GST_FLOW_FLUSHING;
  if (!caps_) return GST_FLOW_NOT_NEGOTIATED;
  const auto *meta = gst_buffer_get_cuda_cam_frame_meta(buffer);
  if (!meta) warn_of_foreign_frame();
  if (restarts_) {
    restarter_.note_flow(true);
    camera_.frame_came(meta ? meta->connection : 0);
  }
  auto frame = std::make_shared<Frame>();
  frame->buffer = share(buffer);
  frame->caps = share(caps_.get());
  frame->segment = GST_BASE_SINK(element_)->segment;  // the streaming thread's
  if (inlet_->publish(std::move(frame)))
    g_signal_emit_by_name(element_, "new-frame");
  else
    GST_LOG_OBJECT(element_, "draining, not kept: %" GST_PTR_FORMAT, static_cast<void *>(buffer));
  notify_statistics_when_due();
  return GST_FLOW_OK;
}

GstFlowReturn FrameLender::publish_early(GstBuffer *buffer) {
  const auto result = publish(buffer);
  early_ = share(buffer);
  return result;
}

void FrameLender::warn_of_foreign_frame() {
  if (std::exchange(warned_of_foreign_frames_, true)) return;
  GST_ELEMENT_WARNING(element_, RESOURCE, SETTINGS,
                      ("The frames do not come from a cudacampool, so each lease holds memory that "
                       "belongs to an upstream element: put cudacampool before cudacamsink."),
                      (nullptr));
}

void FrameLender::notify_statistics_when_due() {
  const GstClockTime interval = statistics_interval_;
  const auto now = Clock::now();
  if (!interval || now < next_statistics_) return;
  next_statistics_ = now + std::chrono::nanoseconds(limited(interval));
  g_object_notify(G_OBJECT(element_), "statistics");
}

GstCudaCamLease *FrameLender::acquire(const gchar *holder, GstClockTime timeout, GError **error) {
  return lend(holder, timeout, nullptr, error);
}

/// `segment`: set to the frame's, when there is one.
GstCudaCamLease *FrameLender::lend(const gchar *holder, GstClockTime timeout, GstSegment *segment,
                                   GError **error) {
  const auto book = ledger();
  const auto lent = book ? book->acquire(holder, after(timeout))
                         : Ledger::Lease{Ledger::Outcome::kStopped, 0, nullptr};
  switch (lent.outcome) {
    case Ledger::Outcome::kLent:
      break;
    case Ledger::Outcome::kTimeout:
      g_set_error(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_TIMEOUT,
                  "%s: no new frame for holder %s within %" G_GUINT64_FORMAT " ms",
                  GST_OBJECT_NAME(element_), holder, timeout / GST_MSECOND);
      return nullptr;
    case Ledger::Outcome::kDraining:
      g_set_error(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_DRAINING,
                  "%s: draining, no new leases now", GST_OBJECT_NAME(element_));
      return nullptr;
    case Ledger::Outcome::kLimit:
      g_set_error(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_LIMIT,
                  "%s: holder %s has max-leases leases; release one first",
                  GST_OBJECT_NAME(element_), holder);
      return nullptr;
    case Ledger::Outcome::kStopped:
      g_set_error(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_STOPPED,
                  "%s: not running; set it to PAUSED or PLAYING first", GST_OBJECT_NAME(element_));
      return nullptr;
  }
  const auto *frame = static_cast<Frame *>(lent.frame.get());
  if (segment) *segment = frame->segment;
  return gst_cuda_cam_lease_new(frame->buffer.get(), frame->caps.get(), holder, &kWayBack,
                                new Ticket{book, lent.id, lent.frame});
}

GstSample *FrameLender::pull_sample(GstClockTime timeout) {
  struct Unlease {
    void operator()(GstCudaCamLease *lease) const { gst_cuda_cam_lease_unref(lease); }
  };
  GstSegment segment;
  const std::unique_ptr<GstCudaCamLease, Unlease> lease(
      lend(kSampleHolder, timeout, &segment, nullptr));
  if (!lease) return nullptr;
  GError *error = nullptr;
  if (!gst_cuda_cam_lease_wait(lease.get(), &error)) {  // a sample has nothing to wait by
    const ErrorPtr owned(error);
    throw ElementError(error->domain, error->code, error->message);
  }
  return gst_sample_new(gst_cuda_cam_lease_get_buffer(lease.get()),
                        gst_cuda_cam_lease_get_caps(lease.get()), &segment, nullptr);
}

gboolean FrameLender::add_holder(const gchar *holder, guint queue_size, GError **error) {
  Discarded discarded;  // dies after the lock is gone
  std::lock_guard lock(lock_);
  if (!holders_.emplace(holder, queue_size).second) {
    g_set_error(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_EXISTS,
                "%s: there is a holder %s already; choose another name", GST_OBJECT_NAME(element_),
                holder);
    return FALSE;
  }
  if (const auto book = ledger()) discarded = book->set_queue(holder, queue_size);
  return TRUE;
}

void FrameLender::remove_holder(const gchar *holder) {
  Discarded discarded;  // dies after the lock is gone
  std::lock_guard lock(lock_);
  holders_.erase(holder);
  if (const auto book = ledger()) discarded = book->set_queue(holder, std::nullopt);
}

GstStructure *FrameLender::drain(GstClockTime timeout) {
  const auto book = ledger();
  auto *answer =
      drain_answer(book ? book->drain(after(timeout)) : std::vector<Ledger::Outstanding>{});
  GST_INFO_OBJECT(element_, "%" GST_PTR_FORMAT, static_cast<void *>(answer));
  g_signal_emit_by_name(element_, "drained", answer);
  return answer;
}

guint FrameLender::revoke(const gchar *holder) {
  const auto book = ledger();
  if (!book) return 0;
  const auto revoked = book->revoke(holder ? std::optional<std::string>(holder) : std::nullopt);
  if (revoked)
    GST_WARNING_OBJECT(element_, "revoked %u leases of %s; their slots are lost until released",
                       revoked, holder ? holder : "all holders");
  return revoked;
}

GstStructure *FrameLender::statistics() {
  auto *fields = gst_structure_new_empty("application/x-cudacam-sink-statistics");
  camera_.describe(fields);
  add_lease_statistics(fields, ledger().get());
  return fields;
}

void FrameLender::answer_outstanding(GstQuery *query) {
  const auto book = ledger();
  if (!book) return;
  for (const auto &held : book->held()) {
    auto *buffer = static_cast<Frame *>(held.frame.get())->buffer.get();
    if (!gst_buffer_n_memory(buffer)) continue;
    auto *memory = gst_buffer_peek_memory(buffer, 0);
    while (memory->parent) memory = memory->parent;
    const GstCudaCamOutstanding frame{GST_OBJECT_NAME(element_),
                                      reinterpret_cast<guintptr>(memory),
                                      static_cast<guint>(GST_MINI_OBJECT_REFCOUNT_VALUE(memory)),
                                      static_cast<guint>(GST_MINI_OBJECT_REFCOUNT_VALUE(buffer)),
                                      held.holder.c_str(),
                                      held.revoked,
                                      {}};
    gst_cuda_cam_query_add_outstanding(query, &frame);
  }
}

SinkSettings FrameLender::settings() const {
  std::lock_guard lock(lock_);
  return settings_;
}

bool FrameLender::change_settings(const std::function<bool(SinkSettings &)> &change) {
  Discarded discarded;  // dies after the lock is gone
  std::lock_guard lock(lock_);
  if (!change(settings_)) return false;
  restarts_ = settings_.reconnect_mode == ReconnectMode::kState;
  statistics_interval_ = settings_.statistics_interval;
  if (const auto book = ledger()) discarded = book->limit(settings_.max_leases);
  if (started_ || watch_) watch_locked(ledger());
  return true;
}

}  // namespace cudacam
