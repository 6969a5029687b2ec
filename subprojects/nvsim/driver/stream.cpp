// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Submission: order and races. Execution is in worker.cpp.
#include "driver/stream.hpp"

#include <algorithm>

#include "driver/driver.hpp"

namespace nvsim {

Stream::Stream(std::shared_ptr<Context> context, Kind kind, std::string name, int priority)
    : context_(std::move(context)),
      kind_(kind),
      priority_(priority),
      timeline_(std::make_shared<Timeline>(Driver::get().parties.add(), std::move(name))) {
  seed_delays();
}

void Stream::seed_delays() {
  delays_.seed(static_cast<unsigned>(Driver::get().settings.delay_seed + timeline_->party * 7919));
}

Ticket Stream::ticket() const {
  auto state = std::make_shared<Ticket::State>();
  state->timeline = timeline_;
  state->position = timeline_->submitted;
  state->clock = clock_;
  return Ticket(std::move(state));
}

std::vector<Ticket> Stream::tickets() const {
  std::vector<Ticket> tickets{ticket()};
  if (kind_ == Kind::null)
    for (const auto &other : context_->streams())
      if (other->kind_ == Kind::blocking) tickets.push_back(other->ticket());
  return tickets;
}

// The clock of a stream changes only as it ticks, so knowing a tick is knowing all that it knew.
void Stream::order_after(Operation &operation, const Ticket &ticket) {
  const Ticket::State *state = ticket.state();
  if (!state) return;
  if (!clock_.knows(state->timeline->party, state->position))
    clock_.join(state->clock, Driver::get().parties);
  if (!state->past()) operation.work.after.push_back(ticket);
}

// A blocking stream and its context's NULL stream wait for each other; non-blocking ones do not.
void Stream::order_after_null_stream(Operation &operation) {
  auto order_after_stream = [&](const Stream &other) {
    if (!clock_.knows(other.timeline_->party, other.timeline_->submitted))
      clock_.join(other.clock_, Driver::get().parties);
    if (!other.idle()) operation.work.after.push_back(other.ticket());
  };
  if (kind_ == Kind::blocking && context_->null_stream) order_after_stream(*context_->null_stream);
  if (kind_ != Kind::null) return;
  for (const auto &other : context_->streams())
    if (other->kind_ == Kind::blocking) order_after_stream(*other);
}

void Stream::submit(Lock &, Operation operation) {
  Driver &driver = Driver::get();
  const std::vector<Ticket> asked = std::move(operation.work.after);
  operation.work.after.clear();
  for (const Ticket &ticket : asked) order_after(operation, ticket);
  order_after_null_stream(operation);
  if (driver.settings.explicit_handoff) {
    clock_.join(driver.known_to_thread[this_thread().number], driver.parties);
  } else if (seen_handoffs_ != driver.handoffs) {
    clock_.join(driver.known_to_all, driver.parties);
    seen_handoffs_ = driver.handoffs;
  }

  operation.position = ++timeline_->submitted;
  clock_.advance(timeline_->party, operation.position);
  if (operation.host_function) operation.known = clock_;
  if (driver.settings.races) check_races(operation);
  if (driver.report.tracing())
    driver.report.trace(format("%s: '%s' submitted", name().c_str(), operation.work.what.c_str()));

  if (completes_at_once(operation)) {
    complete(operation);
    return;
  }
  queue_.push_back(std::move(operation));
  if (!worker_.joinable()) {
    driver.workers.insert(this);
    worker_ = std::thread([self = shared_from_this()] { self->work(); });
  }
  wake_.notify_all();
}

void Stream::check_races(const Operation &operation) {
  Driver &driver = Driver::get();
  for (const Access &access : operation.work.accesses) {
    Allocation *allocation = driver.memory.live_at(access.address);
    if (!allocation) continue;  // found when the operation runs
    auto description = [&] {
      return format("%s by '%s' on %s", access.write ? "write" : "read",
                    operation.work.what.c_str(), name().c_str());
    };
    AccessRecord record;
    record.party = timeline_->party;
    record.tick = operation.position;
    record.rect = {access.address - allocation->base + allocation->history_origin, access.pitch,
                   access.width, access.height};
    record.write = access.write;
    record.what = description();
    allocation->history->add(std::move(record), clock_, [&](const AccessRecord &earlier) {
      driver.counters.count("race.seen", 1);
      driver.report.violation(format("race on %s: %s is not ordered after %s",
                                     allocation->name().c_str(), description().c_str(),
                                     earlier.what.c_str()));
    });
  }
}

// Markers on a stream with nothing to do cost no hand-over to the worker.
bool Stream::completes_at_once(const Operation &operation) const {
  const Driver &driver = Driver::get();
  return !operation.work.run && !operation.work.done && operation.work.accesses.empty() &&
         operation.work.after.empty() && operation.injected == CUDA_SUCCESS && queue_.empty() &&
         !busy_ && !held_ && !driver.hold_all && driver.settings.delay_us == 0;
}

void Stream::complete(const Operation &operation) {
  Driver &driver = Driver::get();
  timeline_->completed = operation.position;
  if (operation.stamp) *operation.stamp = now_ns();
  driver.counters.count("operation.completed", 1);
  timeline_->advanced.notify_all();
  for (const auto &waiter : std::exchange(timeline_->waiters, {})) waiter->wake_.notify_all();
  if (driver.steppers) driver.progress.notify_all();
}

void Stream::close() {
  Driver &driver = Driver::get();
  if (closing_) return;
  closing_ = true;
  context_->remove_stream(shared_from_this());
  driver.counters.count("stream.live", -1);
  if (worker_.joinable())
    wake_.notify_all();
  else
    driver.parties.retire(timeline_->party);
}

namespace {

void learn(const std::vector<Ticket> &tickets) {
  Driver &driver = Driver::get();
  const Clock &mine = driver.known_to_thread[this_thread().number];
  for (const Ticket &ticket : tickets) {
    const Ticket::State *state = ticket.state();
    if (state && !(mine.knows(state->timeline->party, state->position) &&
                   driver.known_to_all.knows(state->timeline->party, state->position)))
      driver.learn(state->clock);
  }
}

}  // namespace

void wait_for(Lock &lock, const std::vector<Ticket> &tickets) {
  for (const Ticket &ticket : tickets) {
    const Ticket::State *state = ticket.state();
    if (!state || state->past()) continue;
    const CountedScope waiting(Driver::get().counters, "thread.waiting");
    state->timeline->advanced.wait(lock, [&] { return state->past() || Driver::get().ended(); });
  }
  learn(tickets);
}

bool all_past(Lock &, const std::vector<Ticket> &tickets) {
  const bool past = std::all_of(tickets.begin(), tickets.end(), [](const Ticket &ticket) {
    return !ticket.state() || ticket.state()->past();
  });
  if (past) learn(tickets);
  return past;
}

}  // namespace nvsim
