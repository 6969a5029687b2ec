// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera/supervisor.hpp"

#include <random>
#include <utility>

#include "base/error.hpp"

GST_DEBUG_CATEGORY_EXTERN(cudacamsrc_debug);
#define GST_CAT_DEFAULT cudacamsrc_debug

namespace cudacam {
namespace {

/// What a decoder may take to be destroyed: on a busy GPU a quarter of a second is usual.
constexpr std::chrono::seconds kDecoderPatience{2};

Endpoint endpoint(const ConnectionSettings &settings) {
  const auto &location = settings.location;
  return {location.host, location.port, location.is_secure, settings.tls_validation_flags,
          settings.tls_database};
}

GstClockTime gst_time(ReconnectPolicy::Duration duration) {
  return std::max<ReconnectPolicy::Duration::rep>(0, duration.count());
}

}  // namespace

Supervisor::Supervisor(GstBin *bin, GstPad *source, Callbacks callbacks)
    : bin_(bin),
      callbacks_(std::move(callbacks)),
      stage_(bin, source,
             {[this](Generation from) {
                post([this, from] { step(policy_.frame(from, stage_.last_frame())); });
              },
              [this](Generation from, Failure failure) { on_failure(from, std::move(failure)); },
              [this](Generation from, GstFlowReturn flow) {
                post([this, from, flow] { refused(from, flow); });
              },
              [this](std::string sentence) {
                post([this, failure = Failure{Reason::decoder_failed, std::move(sentence)}] {
                  announcer_.warn(failure);
                });
              },
              [this](ObjectPtr<GstElement> decoder) { retire(std::move(decoder)); }}),
      announcer_(GST_ELEMENT(bin)),
      policy_(limits(settings_), std::random_device{}()) {
}

Supervisor::~Supervisor() = default;

void Supervisor::start() {
  {
    std::lock_guard lock(mutex_);
    jobs_.clear();
    quit_ = false;
    snapshot_ = {};
    history_ = {};
  }
  published_ = Status::stopped;
  stage_.start();
  thread_ = std::thread([this] { run(); });
}

void Supervisor::play() {
  post([this] {
    settings_ = callbacks_.settings();
    announcer_.introduce(settings_.camera, {settings_.password});
    policy_.set_limits(limits(settings_));
    failure_.reset();
    warned_ = last_failure_ = Reason::none;
    // What closed after a stop() was not heard of.
    const bool closing = waiting_close_ != 0 && unclosed_ > 0;
    step(policy_.start(Time::clock::now(), closing));
  });
}

void Supervisor::pause() {
  post([this] { step(policy_.stop()); });
}

void Supervisor::stop() {
  if (!thread_.joinable()) return;
  post([this] {
    step(policy_.stop());
    std::lock_guard lock(mutex_);
    quit_ = true;
  });
  thread_.join();
  stage_.unblock();
}

void Supervisor::release() {
  stage_.stop();
  closing_.wait(Retirement::kLastWait);
  decoders_.wait(Retirement::kLastWait);
  settling_.wait(Retirement::kLastWait);
}

void Supervisor::post(Job job) {
  {
    std::lock_guard lock(mutex_);
    if (quit_) return;
    jobs_.push_back(std::move(job));
  }
  wakeup_.notify_one();
}

void Supervisor::set_limits(const Settings &settings) {
  auto now = limits(settings);
  // The connection was told what it may take to close when it was made.
  now.close_timeout = limits(settings_).close_timeout;
  policy_.set_limits(now);
}

void Supervisor::run() {
  while (true) {
    std::deque<Job> jobs;
    {
      std::unique_lock lock(mutex_);
      if (quit_) return;
      const auto ready = [this] { return !jobs_.empty(); };
      if (const auto deadline = policy_.deadline()) {
        wakeup_.wait_until(lock, *deadline, ready);
      } else {
        wakeup_.wait(lock, ready);
      }
      jobs.swap(jobs_);
    }
    refresh_activity();  // a loss is judged by the frames until then
    for (const auto &job : jobs) job();
    refresh_activity();
    const auto status = policy_.status();
    const auto next = policy_.tick(Time::clock::now());
    if (next == Step::close) failure_ = failure_of(policy_.reason());
    if (status == Status::closing && policy_.status() != Status::closing)
      closed(waiting_close_, std::nullopt);
    step(next);
  }
}

/// A streaming thread that downstream blocks cannot see packets: that is not the camera's silence.
void Supervisor::refresh_activity() {
  const auto current = connection();
  if (!current) return;
  const auto generation = current->generation();
  const auto packet = current->last_packet();
  const auto now = Time::clock::now();
  const bool busy = stage_.is_busy();
  if (const auto due = policy_.deadline(); busy && due && now >= *due)
    GST_DEBUG_OBJECT(bin_, "a timer starts anew: downstream blocks, the camera is not to blame");
  if (busy) policy_.held_up(generation, now);
  if (packet == Time{}) return;
  policy_.packet(generation, busy ? now : packet);
  if (policy_.status() != Status::streaming) return;
  policy_.frame(generation, busy ? now : stage_.last_frame());
}

void Supervisor::step(Step step) {
  publish();
  if (step == Step::open) {
    open();
  } else if (step == Step::close) {
    close();
  }
}

void Supervisor::open() {
  settings_ = callbacks_.settings();
  policy_.set_limits(limits(settings_));
  const auto generation = policy_.generation();
  try {
    const unsigned hanging = unclosed_;
    if (hanging >= settings_.max_quarantined) {
      lose(generation,
           {Reason::busy, std::to_string(hanging) +
                              " old connections to the camera do not close: waiting for "
                              "them before opening another"});
      return;
    }
    const auto location = callbacks_.update_location(settings_.location);
    transports_.want(location, settings_.protocols);
    ConnectionSettings wish{Location::parse(location),  transports_.current(),
                            settings_.latency,          settings_.user,
                            settings_.password,         settings_.connect_timeout / GST_USECOND,
                            settings_.teardown_timeout, settings_.tls_validation_flags,
                            settings_.tls_database};
    announcer_.introduce(settings_.camera, {wish.location.password, wish.password});
    auto next = std::make_shared<Connection>(generation, std::move(wish), weak_from_this());
    stage_.enter(generation, {settings_.camera, settings_.decoder,
                              GstClockTime(settings_.latency) * GST_MSECOND});
    {
      std::lock_guard lock(mutex_);
      connection_ = next;
    }
    next->open(bin_);
  } catch (const LocationError &error) {
    give_up(Reason::stream_error,
            ElementError(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, error.what()));
  } catch (const ElementError &error) {
    give_up(Reason::missing_plugin, error);
  }
}

void Supervisor::close() {
  std::shared_ptr<Connection> old;
  {
    std::lock_guard lock(mutex_);
    old = std::exchange(connection_, nullptr);
  }
  const auto reason = policy_.reason();
  const bool stopping = policy_.status() == Status::stopped;
  stage_.leave(stopping ? Reason::none : reason);
  waiting_close_ = policy_.generation();
  if (!old) {
    closed(waiting_close_, std::nullopt);
    return;
  }
  old->detach();
  const bool unexplained = failure_ && failure_->reason == Reason::connect_failed && !stopping;
  const bool broken = reason == Reason::connection_lost;
  const auto patience =
      std::chrono::duration_cast<std::chrono::milliseconds>(limits(settings_).close_timeout);
  unclosed_++;
  closing_.run(patience, [self = shared_from_this(), old, unexplained, broken, stopping] {
    // At once if possible: a frame-driven downstream learns of the loss only by this. Not if a
    // streaming thread is still inside; it leaves at the latest with the connection. And not before
    // the camera was let go when the pipeline pauses: sinks then block.
    const bool settled = !stopping && self->stage_.settle(false);
    std::optional<Failure> refined;
    if (unexplained) {
      refined = diagnose_connect(endpoint(old->settings()), nullptr);
    }
    old->shut(broken);
    self->unclosed_--;
    if (!settled) self->settle_later();
    self->post([self = self.get(), generation = old->generation(), refined] {
      self->closed(generation, refined);
    });
  });
}

void Supervisor::closed(Generation which, std::optional<Failure> refined) {
  if (which != waiting_close_) return;
  waiting_close_ = 0;
  if (failure_ && refined) {
    refined->details = failure_->details + " " + refined->details;
    failure_ = std::move(refined);
    policy_.explain(which, failure_->reason);
  }
  if (failure_ && policy_.status() != Status::stopped) warn(*failure_);
  step(policy_.closed(which, Time::clock::now()));
}

void Supervisor::lose(Generation from, Failure failure) {
  if (from != policy_.generation()) return;
  const auto before = policy_.status();
  if (failure.reason == Reason::transport_refused && before == Status::connecting) {
    if (transports_.refused()) {
      GST_INFO_OBJECT(bin_, "transport refused, trying the next one");
    } else {
      failure.reason = Reason::refused;
    }
  }
  const auto next = policy_.lost(from, failure.reason, Time::clock::now());
  if (before != policy_.status()) failure_ = std::move(failure);
  step(next);
}

void Supervisor::publish() {
  const auto status = policy_.status();
  if (status == published_) return;
  const auto previous = std::exchange(published_, status);
  const auto reason = policy_.reason();
  Snapshot shown;
  {
    std::lock_guard lock(mutex_);
    auto &s = snapshot_;
    s.status = status;
    s.last_reason = reason;
    s.retries = policy_.retries();
    s.delay = status == Status::backoff ? gst_time(policy_.delay()) : 0;
    if (const auto delay = policy_.first_frame_delay()) s.first_frame_delay = gst_time(*delay);
    history_.changed(status, reason, Time::clock::now());
    shown = s;
  }
  if (status == Status::streaming) {
    failure_.reset();
    warned_ = last_failure_ = Reason::none;
  }
  announcer_.status(status, previous, reason, shown.retries, shown.delay);
  if (status == Status::failed && failure_) given_up(*failure_);
  callbacks_.status_changed();
}

/// Once per outage and kind of trouble, not per retry.
void Supervisor::warn(const Failure &failure) {
  {
    std::lock_guard lock(mutex_);
    snapshot_.last_error = announcer_.redacted(failure.sentence);
    snapshot_.rtsp_status = failure.rtsp_status;
  }
  const auto before = std::exchange(last_failure_, failure.reason);
  if (failure.reason == Reason::requested || failure.reason == Reason::transport_refused ||
      failure.reason == warned_)
    return;
  // A second look that got through where there was a reason before: the camera came back between
  // the two, and the next attempt shows it.
  if (failure.reason == Reason::connect_failed && warned_ != Reason::none &&
      before != Reason::connect_failed)
    return;
  warned_ = failure.reason;
  announcer_.warn(failure);
}

/// The policy's own decision; give_up() leaves no failure behind.
void Supervisor::given_up(const Failure &failure) {
  announcer_.fail(ElementError(
      GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
      "Gave up, retry-attempts or retry-timeout is used up. " + failure.sentence, failure.details));
}

void Supervisor::end() {
  step(policy_.stop());
  stage_.leave(Reason::requested, true);
  settle_later();
}

/// Waits for downstream, however long it blocks, where that holds up nothing: the next attempt, for
/// one.
void Supervisor::settle_later() {
  settling_.run({}, [self = shared_from_this()] { self->stage_.settle(true); });
}

/// No connection can help against what downstream does. It has reported its own errors, so this one
/// comes second, as GStreamer's sources do it; EOS is how downstream says that it has enough, and
/// is what it gets, so that sinks can tell the application.
void Supervisor::refused(Generation from, GstFlowReturn flow) {
  // Frames on their way into a stop, or out of a connection that is lost, say nothing.
  if (from != policy_.generation() || !policy_.is_open()) return;
  if (flow == GST_FLOW_EOS) {
    GST_INFO_OBJECT(bin_, "downstream wants no more");
    end();
    return;
  }
  give_up(Reason::stream_error,
          ElementError(GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
                       flow == GST_FLOW_NOT_LINKED
                           ? "The source pad is not linked: link cudacamsrc to a sink"
                           : "Elements downstream refuse the frames: see their errors",
                       gst_flow_get_name(flow)));
}

void Supervisor::give_up(Reason reason, const ElementError &error) {
  if (policy_.status() == Status::failed || policy_.status() == Status::stopped) return;
  const auto next = policy_.give_up(reason);
  failure_.reset();
  announcer_.fail(error);
  step(next);
}

void Supervisor::retire(ObjectPtr<GstElement> decoder) {
  // shared: std::function wants to be copyable
  decoders_.run(kDecoderPatience, [owned = std::shared_ptr<GstElement>(std::move(decoder))] {
    gst_element_set_state(owned.get(), GST_STATE_NULL);
  });
}

Supervisor::Snapshot Supervisor::snapshot() const {
  Snapshot result;
  {
    std::lock_guard lock(mutex_);
    result = snapshot_;
    result.history = history_.totals(Time::clock::now());
  }
  result.quarantined = closing_.hanging() + decoders_.hanging();
  result.stage = stage_.statistics();
  return result;
}

std::shared_ptr<Connection> Supervisor::connection() const {
  std::lock_guard lock(mutex_);
  return connection_;
}

}  // namespace cudacam
