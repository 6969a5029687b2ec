// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver/report.hpp"

#include <cctype>
#include <cstdlib>
#include <cstring>

namespace nvsim {

Report::Report() {
  const char *log = std::getenv("NVSIM_LOG");
  if (!log || !*log || !std::strcmp(log, "-"))
    log_ = stderr;
  else if (std::strcmp(log, "none") != 0)
    log_ = std::fopen(log, "ae");
  const char *trace = std::getenv("NVSIM_TRACE");
  tracing_ = trace && std::strcmp(trace, "0") != 0;
}

Report::~Report() {
  if (log_ && log_ != stderr) std::fclose(log_);
}

void Report::write(const std::string &line) {
  if (!log_) return;
  std::fputs(line.c_str(), log_);
  std::fflush(log_);
}

void Report::violation(const std::string &text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!seen_.insert(text).second) return;
  ++violations_;
  const std::string line = "nvsim: VIOLATION: " + text + "\n";
  text_ += line;
  write(line);
}

void Report::note(const std::string &text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string line = "nvsim: note: " + text + "\n";
  text_ += line;
  write(line);
}

void Report::trace(const std::string &text) {
  if (!tracing_) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  write("nvsim: trace: " + text + "\n");
}

unsigned Report::violations() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return violations_;
}

std::string Report::text() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return text_;
}

void Report::clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  seen_.clear();
  text_.clear();
  violations_ = 0;
}

void Counters::count(std::string_view name, std::int64_t change) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = values_.find(name);
  if (found == values_.end()) found = values_.emplace(name, 0).first;
  found->second += change;
}

std::int64_t Counters::value(std::string_view name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = values_.find(name);
  return found == values_.end() ? 0 : found->second;
}

void Counters::call(std::string_view function, std::uint64_t thread, std::uint64_t context) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = calls_.find(function);
  if (found == calls_.end()) found = calls_.emplace(function, Calls{}).first;
  ++found->second.total;
  ++found->second.by_thread[thread];
  if (context) ++found->second.by_context[context];
}

std::uint64_t Counters::calls(std::string_view function) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = calls_.find(function);
  return found == calls_.end() ? 0 : found->second.total;
}

std::uint64_t Counters::calls_by_thread(std::string_view function, std::uint64_t thread) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = calls_.find(function);
  if (found == calls_.end()) return 0;
  auto count = found->second.by_thread.find(thread);
  return count == found->second.by_thread.end() ? 0 : count->second;
}

std::uint64_t Counters::calls_in_context(std::string_view function, std::uint64_t context) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = calls_.find(function);
  if (found == calls_.end()) return 0;
  auto count = found->second.by_context.find(context);
  return count == found->second.by_context.end() ? 0 : count->second;
}

void Counters::thread_ended(std::uint64_t thread) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto &entry : calls_) entry.second.by_thread.erase(thread);
}

void Counters::context_ended(std::uint64_t context) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto &entry : calls_) entry.second.by_context.erase(context);
}

std::string Counters::summary() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string text;
  for (const auto &[name, value] : values_) text += name + " " + std::to_string(value) + "\n";
  for (const auto &[name, calls] : calls_)
    text += "calls." + name + " " + std::to_string(calls.total) + "\n";
  return text;
}

std::string_view base_name(std::string_view function) {
  for (std::string_view variant : {"_ptsz", "_ptds"})
    if (function.size() > variant.size() &&
        function.substr(function.size() - variant.size()) == variant)
      function.remove_suffix(variant.size());
  std::size_t digits = function.size();
  while (digits > 0 && std::isdigit(static_cast<unsigned char>(function[digits - 1]))) --digits;
  if (digits < function.size() && digits >= 2 && function.substr(digits - 2, 2) == "_v")
    return function.substr(0, digits - 2);
  return function;
}

std::string vformat(const char *pattern, std::va_list arguments) {
  std::va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, pattern, again);
  va_end(again);
  std::string text(length > 0 ? static_cast<std::size_t>(length) : 0, '\0');
  if (length > 0) std::vsnprintf(text.data(), text.size() + 1, pattern, arguments);
  return text;
}

std::string format(const char *pattern, ...) {
  std::va_list arguments;
  va_start(arguments, pattern);
  std::string text = vformat(pattern, arguments);
  va_end(arguments);
  return text;
}

}  // namespace nvsim
