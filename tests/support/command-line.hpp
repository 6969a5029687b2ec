// SPDX-License-Identifier: LGPL-2.1-or-later
/// The shell of the programs that people run by hand: options, signals, how they end.
#pragma once

#include <glib.h>

#include <cstdio>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

namespace cudacam::test {

/// Options into variables, which keep their values where an option is not given. GStreamer's own
/// options are understood, too, and GStreamer is initialised.
class CommandLine {
 public:
  /// `what` stands behind the program's name in --help, `explanation` above the options and
  /// `notes` below them.
  explicit CommandLine(std::string what, std::string explanation = {}, std::string notes = {});

  /// `value` is written by parse() and must live until then; the texts for ever. Words are taken as
  /// they were given, whatever the locale.
  void add(const char *name, int &value, const char *help, const char *unit = "N", char letter = 0);
  void add(const char *name, double &value, const char *help, const char *unit = "N",
           char letter = 0);
  void add(const char *name, std::string &value, const char *help, const char *unit,
           char letter = 0);
  /// May be repeated.
  void add(const char *name, std::vector<std::string> &values, const char *help, const char *unit,
           char letter = 0);
  void add(const char *name, bool &value, const char *help, char letter = 0);

  /// Leaves `argv` as it is. Throws std::runtime_error with a sentence for the user. Once.
  void parse(int argc, char **argv);

 private:
  /// What GLib writes to, and where it goes from there.
  template <class Given, class Value>
  struct Target {
    Given given;
    Value *value;
  };

  void add(const char *name, char letter, GOptionArg kind, void *target, const char *help,
           const char *unit);

  const std::string what_, explanation_, notes_;
  std::vector<GOptionEntry> entries_;
  // GLib has pointers to these.
  std::deque<Target<gchar *, std::string>> texts_;
  std::deque<Target<gchar **, std::vector<std::string>>> lists_;
  std::deque<Target<gboolean, bool>> flags_;
};

/// From then on SIGINT and SIGTERM are asked for by interrupted() and end nothing by themselves.
void catch_interrupts();
bool interrupted();

/// Thrown when what a program is about is not on this machine.
class NotHere : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr int kCannotRun = 2;
constexpr int kSkipped = 77;

/// main(): the exit status that `body` returns, or that of what it throws, which goes to stderr.
template <class Body>
int run_program(const char *name, Body &&body) {
  try {
    return body();
  } catch (const NotHere &missing) {
    std::fprintf(stderr, "skipped: %s\n", missing.what());
    return kSkipped;
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "%s: %s\n", name, failure.what());
    return kCannotRun;
  }
}

}  // namespace cudacam::test
