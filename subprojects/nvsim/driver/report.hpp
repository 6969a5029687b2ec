// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What went wrong, in words, and how often things happened. Both have a lock of their own, a leaf:
// they may be used with any other lock held.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

namespace nvsim {

class Report {
 public:
  // Where lines go as they come: NVSIM_LOG is a file to append to, "-" (the default) stderr,
  // "none" nowhere; NVSIM_TRACE=1 writes the trace there too.
  Report();
  ~Report();

  // The same text is reported once and counted once.
  void violation(const std::string &text);
  // Kept in the report, not counted: an injected fault that struck, a summary.
  void note(const std::string &text);
  void trace(const std::string &text);
  bool tracing() const { return tracing_; }

  unsigned violations() const;
  std::string text() const;
  void clear();

 private:
  void write(const std::string &line);

  mutable std::mutex mutex_;  // guards all below
  std::set<std::string> seen_;
  std::string text_;
  unsigned violations_ = 0;
  bool tracing_ = false;
  std::FILE *log_ = nullptr;
};

class Counters {
 public:
  void count(std::string_view name, std::int64_t change);
  std::int64_t value(std::string_view name) const;

  // One call of an API function by a thread, with a context current (0: none).
  void call(std::string_view function, std::uint64_t thread, std::uint64_t context);
  std::uint64_t calls(std::string_view function) const;
  std::uint64_t calls_by_thread(std::string_view function, std::uint64_t thread) const;
  std::uint64_t calls_in_context(std::string_view function, std::uint64_t context) const;
  void thread_ended(std::uint64_t thread);
  void context_ended(std::uint64_t context);

  // "name value" lines: counters, then calls.
  std::string summary() const;

 private:
  struct Calls {
    std::uint64_t total = 0;
    std::unordered_map<std::uint64_t, std::uint64_t> by_thread;
    std::unordered_map<std::uint64_t, std::uint64_t> by_context;
  };

  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, std::int64_t, std::less<>> values_;
  std::map<std::string, Calls, std::less<>> calls_;
};

// Counts what lasts for a while: one up, and down again at its end.
class CountedScope {
 public:
  CountedScope(Counters &counters, const char *name) : counters_(counters), name_(name) {
    counters_.count(name_, 1);
  }
  ~CountedScope() { counters_.count(name_, -1); }
  CountedScope(const CountedScope &) = delete;
  CountedScope &operator=(const CountedScope &) = delete;

 private:
  Counters &counters_;
  const char *const name_;
};

// The name by which faults and counters know a function: without version and variant suffix.
std::string_view base_name(std::string_view function);

std::string format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
std::string vformat(const char *pattern, std::va_list arguments);

}  // namespace nvsim
