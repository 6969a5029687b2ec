// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command-loop.hpp"

namespace cudacam::test {

CommandLoop::CommandLoop() : context_(g_main_context_new()) {
  thread_ = std::thread([this] { main(); });
}

CommandLoop::~CommandLoop() {
  {
    std::lock_guard guard(lock_);
    quit_ = true;
  }
  wake_.notify_one();
  g_main_context_wakeup(context_);
  thread_.join();
  g_main_context_unref(context_);
}

void CommandLoop::post(std::function<void()> command) {
  {
    std::lock_guard guard(lock_);
    commands_.push_back(std::move(command));
  }
  wake_.notify_one();
  g_main_context_wakeup(context_);
}

void CommandLoop::main() {
  g_main_context_push_thread_default(context_);
  while (true) {
    std::function<void()> command;
    {
      std::unique_lock guard(lock_);
      if (held_) wake_.wait(guard, [this] { return quit_ || !commands_.empty(); });
      if (!commands_.empty()) {
        command = std::move(commands_.front());
        commands_.pop_front();
      } else if (quit_) {
        break;
      }
    }
    if (command)
      command();
    else
      g_main_context_iteration(context_, TRUE);
  }
  // What is queued may hold objects that hold the context.
  while (g_main_context_iteration(context_, FALSE)) {
  }
  g_main_context_pop_thread_default(context_);
}

}  // namespace cudacam::test
