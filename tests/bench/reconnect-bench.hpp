// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the benchmarks of reconnects share.
#pragma once

#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/ptr.hpp"
#include "support/percentiles.hpp"

namespace cudacam::bench {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::vector<double>;

inline double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

inline std::string summary(Milliseconds values) {
  return test::summary(std::move(values), 3);
}

inline ObjectPtr<GstElement> pipeline_of(const std::string &description) {
  GError *error = nullptr;
  auto pipeline = cudacam::sink(gst_parse_launch(description.c_str(), &error));
  if (!error) return pipeline;
  std::fprintf(stderr, "%s\n", error->message);
  std::exit(1);
}

/// A pipeline that ends when its owner does.
class Pipeline {
 public:
  explicit Pipeline(const std::string &description) : pipeline_(pipeline_of(description)) {}
  ~Pipeline() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }
  void play() { gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING); }
  ObjectPtr<GstElement> element(const char *name) const {
    return adopt(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
  }
  GstElement *get() const { return pipeline_.get(); }

 private:
  ObjectPtr<GstElement> pipeline_;
};

/// The first of something, and when it was.
class Moment {
 public:
  void reached() {
    std::lock_guard lock(mutex_);
    if (!time_) time_ = Clock::now();
    changed_.notify_all();
  }
  /// Throws when it does not come for a minute.
  Clock::time_point wait() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::minutes(1), [this] { return time_.has_value(); }))
      throw std::runtime_error("waited for a minute in vain");
    return *time_;
  }
  void clear() {
    std::lock_guard lock(mutex_);
    time_.reset();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Clock::time_point> time_;
};

/// Reached with each key frame, or each buffer, that arrives at `sink`.
inline void watch_buffers(const Pipeline &pipeline, const char *sink, Moment &moment,
                          bool keyframes) {
  const auto pad = adopt(gst_element_get_static_pad(pipeline.element(sink).get(), "sink"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      keyframes ? GstPadProbeCallback([](GstPad *, GstPadProbeInfo *info, gpointer data) {
        if (!GST_BUFFER_FLAG_IS_SET(GST_PAD_PROBE_INFO_BUFFER(info), GST_BUFFER_FLAG_DELTA_UNIT))
          static_cast<Moment *>(data)->reached();
        return GST_PAD_PROBE_OK;
      })
                : GstPadProbeCallback([](GstPad *, GstPadProbeInfo *, gpointer data) {
                    static_cast<Moment *>(data)->reached();
                    return GST_PAD_PROBE_OK;
                  }),
      &moment, nullptr);
}

/// Prints what the neighbours of a camera that reconnects every second see of it; see
/// reconnect.cpp. Returns the exit status.
int measure_neighbours(unsigned seconds, int width, int height);

}  // namespace cudacam::bench
