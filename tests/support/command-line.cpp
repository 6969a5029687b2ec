// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command-line.hpp"

#include <gst/gst.h>

#include <csignal>

namespace cudacam::test {
namespace {

volatile std::sig_atomic_t signal_came = 0;

}  // namespace

CommandLine::CommandLine(std::string what, std::string explanation, std::string notes)
    : what_("- " + std::move(what)),
      explanation_(std::move(explanation)),
      notes_(std::move(notes)) {
}

void CommandLine::add(const char *name, char letter, GOptionArg kind, void *target,
                      const char *help, const char *unit) {
  entries_.push_back({name, letter, G_OPTION_FLAG_NONE, kind, target, help, unit});
}

void CommandLine::add(const char *name, int &value, const char *help, const char *unit,
                      char letter) {
  add(name, letter, G_OPTION_ARG_INT, &value, help, unit);
}

void CommandLine::add(const char *name, double &value, const char *help, const char *unit,
                      char letter) {
  add(name, letter, G_OPTION_ARG_DOUBLE, &value, help, unit);
}

void CommandLine::add(const char *name, std::string &value, const char *help, const char *unit,
                      char letter) {
  texts_.push_back({nullptr, &value});
  add(name, letter, G_OPTION_ARG_FILENAME, &texts_.back().given, help, unit);
}

void CommandLine::add(const char *name, std::vector<std::string> &values, const char *help,
                      const char *unit, char letter) {
  lists_.push_back({nullptr, &values});
  add(name, letter, G_OPTION_ARG_FILENAME_ARRAY, &lists_.back().given, help, unit);
}

void CommandLine::add(const char *name, bool &value, const char *help, char letter) {
  flags_.push_back({value, &value});
  add(name, letter, G_OPTION_ARG_NONE, &flags_.back().given, help, nullptr);
}

void CommandLine::parse(int argc, char **argv) {
  GOptionContext *context = g_option_context_new(what_.c_str());
  if (!explanation_.empty()) g_option_context_set_summary(context, explanation_.c_str());
  if (!notes_.empty()) g_option_context_set_description(context, notes_.c_str());
  auto entries = entries_;
  entries.push_back({});
  g_option_context_add_main_entries(context, entries.data(), nullptr);
  g_option_context_add_group(context, gst_init_get_option_group());
  std::vector<char *> words(argv, argv + argc);
  words.push_back(nullptr);
  char **left = words.data();
  GError *error = nullptr;
  g_option_context_parse(context, &argc, &left, &error);
  g_option_context_free(context);

  for (const auto &[given, value] : texts_) {
    if (given) *value = given;
    g_free(given);
  }
  for (const auto &[given, values] : lists_) {
    if (given) values->assign(given, given + g_strv_length(given));
    g_strfreev(given);
  }
  for (const auto &[given, value] : flags_) *value = given;
  if (error) {
    const std::string reason = error->message;
    g_error_free(error);
    throw std::runtime_error(reason);
  }
  if (argc > 1) throw std::runtime_error(std::string("unexpected argument: ") + left[1]);
}

void catch_interrupts() {
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { signal_came = 1; });
}

bool interrupted() {
  return signal_came;
}

}  // namespace cudacam::test
