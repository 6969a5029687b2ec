// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/source-restarter.hpp"

#include <condition_variable>
#include <utility>

#include "lease/source-cycle.hpp"

GST_DEBUG_CATEGORY_EXTERN(cudacamsink_debug);
#define GST_CAT_DEFAULT cudacamsink_debug

namespace cudacam {

/// What a job shares with us; one that overruns stop() keeps it.
struct SourceRestarter::State {
  using Clock = std::chrono::steady_clock;

  std::mutex mutex;  // guards all below; not held during a cycle
  std::condition_variable changed;
  bool stopped = false;
  bool asked = false;    // by a request that has not stopped the source yet
  bool running = false;  // a cycle
  Clock::time_point next{};
  std::unique_ptr<Aftercare> aftercare;  // of the last cycle

  void run(const Upstream &upstream, const std::atomic<bool> &flows) {
    std::unique_ptr<Aftercare> last;
    {
      std::unique_lock lock(mutex);
      const bool at_once = !running && Clock::now() >= next;
      changed.wait(lock, [this] { return stopped || !running; });
      changed.wait_until(lock, next, [this] { return stopped; });
      if (stopped) return;
      if (!at_once && flows) {
        GST_INFO("%s delivers frames again: not restarted once more", upstream.source.c_str());
        asked = false;
        return;
      }
      next = Clock::now() + kPause;
      running = true;
      last = std::move(aftercare);
    }
    last.reset();
    GST_INFO("restarting %s", upstream.source.c_str());
    auto after = cycle(upstream, [this] {
      std::lock_guard lock(mutex);
      asked = false;  // what is asked from here on is about the source's next life
    });
    if (!after) GST_INFO("%s is being restarted for another sink", upstream.source.c_str());
    {
      std::lock_guard lock(mutex);
      running = false;
      if (!after) asked = false;
      if (!stopped) aftercare = std::move(after);
    }
    changed.notify_all();
  }
};

SourceRestarter::SourceRestarter() : flows_(std::make_shared<std::atomic<bool>>(false)) {
}

SourceRestarter::~SourceRestarter() {
  stop();
}

void SourceRestarter::start() {
  std::lock_guard lock(lock_);
  state_ = std::make_shared<State>();
}

std::string SourceRestarter::note_route(GstPad *sink) {
  std::lock_guard lock(route_lock_);
  return route_.find(sink).source;
}

bool SourceRestarter::restart(GstPad *sink) {
  std::shared_ptr<State> state;
  {
    std::lock_guard lock(lock_);
    state = state_;
  }
  if (!state) return false;
  auto upstream = std::make_shared<Upstream>();
  {
    std::lock_guard lock(route_lock_);
    *upstream = route_.find(sink);
  }
  if (upstream->source.empty()) return false;
  {
    std::lock_guard lock(state->mutex);
    if (state->stopped) return false;
    if (std::exchange(state->asked, true)) return true;
  }
  note_flow(false);
  jobs_.run(Retirement::kLastWait,
            [state, upstream, flows = flows_] { state->run(*upstream, *flows); });
  return true;
}

void SourceRestarter::stop() {
  std::shared_ptr<State> state;
  {
    std::lock_guard lock(lock_);
    state = std::exchange(state_, nullptr);
  }
  if (!state) return;
  {
    std::lock_guard lock(state->mutex);
    state->stopped = true;
  }
  state->changed.notify_all();
  if (!jobs_.wait(Retirement::kLastWait))
    GST_WARNING("the restart of an element upstream does not end; it is left alone");
  std::unique_ptr<Aftercare> aftercare;  // ends without the lock
  std::lock_guard lock(state->mutex);
  aftercare = std::move(state->aftercare);
}

}  // namespace cudacam
