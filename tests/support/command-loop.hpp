// SPDX-License-Identifier: LGPL-2.1-or-later
///
/// A thread with a GMainContext of its own that also runs functions handed to it, in order, and can
/// be told to serve nothing but those.
#pragma once

#include <glib.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <type_traits>

namespace cudacam::test {

class CommandLoop {
 public:
  CommandLoop();
  ~CommandLoop();  // runs what is still queued, then joins
  CommandLoop(const CommandLoop &) = delete;
  CommandLoop &operator=(const CommandLoop &) = delete;

  GMainContext *context() const { return context_; }

  /// Runs `function` on the loop's thread and returns what it returns, or throws what it throws.
  /// Not to be called from that thread.
  template <typename Function>
  auto run(Function function) {
    std::packaged_task<std::invoke_result_t<Function>()> task(std::move(function));
    auto result = task.get_future();
    post([&task] { task(); });
    return result.get();
  }

  /// From within run(): while held, no source of the context is dispatched; the thread waits for
  /// the next run().
  void hold(bool held) { held_ = held; }

 private:
  void post(std::function<void()> command);
  void main();

  GMainContext *context_;
  bool held_ = false;  // the loop's thread only

  std::mutex lock_;  // guards the two below; not held while a command runs
  std::deque<std::function<void()>> commands_;
  bool quit_ = false;

  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace cudacam::test
