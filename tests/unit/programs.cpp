// SPDX-License-Identifier: LGPL-2.1-or-later
// What the demo, the soak, the benchmarks and the test camera's program stand on.
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "camera-process.hpp"
#include "command-line.hpp"
#include "machine.hpp"

// Last: its fail() is a macro, and the C++ library has functions of that name.
#include <gst/check/gstcheck.h>

namespace {

using cudacam::test::CameraProcess;
using cudacam::test::CommandLine;

struct Options {
  int cameras = 4;
  double minutes = 1;
  std::string codec = "h264";
  std::vector<std::string> locations = {};
  bool cpu = false;
};

Options parse(std::vector<std::string> words) {
  Options options;
  CommandLine line("a test");
  line.add("cameras", options.cameras, "How many", "N", 'n');
  line.add("minutes", options.minutes, "How long");
  line.add("codec", options.codec, "Which", "NAME");
  line.add("location", options.locations, "Where", "URL", 'l');
  line.add("cpu", options.cpu, "Without a GPU");
  words.insert(words.begin(), "program");
  std::vector<char *> arguments;
  for (std::string &word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  line.parse(static_cast<int>(words.size()), arguments.data());
  for (std::size_t i = 0; i < words.size(); ++i) fail_unless(arguments[i] == words[i].data());
  return options;
}

/// What it throws, or "".
template <class Body>
std::string failure_of(Body &&body) {
  try {
    body();
  } catch (const std::runtime_error &failure) {
    return failure.what();
  }
  return "";
}

}  // namespace

GST_START_TEST(options_keep_their_values_unless_given) {
  const Options defaults = parse({});
  fail_unless_equals_int(defaults.cameras, 4);
  fail_unless_equals_float(defaults.minutes, 1);
  fail_unless(defaults.codec == "h264" && defaults.locations.empty() && !defaults.cpu);

  const Options given =
      parse({"-n", "7", "--minutes=0.5", "--codec", "h265", "--location", "a", "-l", "b", "--cpu"});
  fail_unless_equals_int(given.cameras, 7);
  fail_unless_equals_float(given.minutes, 0.5);
  fail_unless(given.codec == "h265" && given.cpu);
  fail_unless((given.locations == std::vector<std::string>{"a", "b"}));
}
GST_END_TEST

GST_START_TEST(what_is_no_option_is_refused) {
  for (const std::vector<std::string> &words :
       {std::vector<std::string>{"--cameras", "many"}, {"--nonsense"}, {"--codec"}, {"7"}})
    fail_if(failure_of([&] { parse(words); }).empty(), "%s", words[0].c_str());
  fail_unless(failure_of([] { parse({"--cpu", "7"}); }) == "unexpected argument: 7");
}
GST_END_TEST

GST_START_TEST(a_program_says_why_it_ends) {
  using cudacam::test::run_program;
  fail_unless_equals_int(run_program("test", [] { return 5; }), 5);
  fail_unless_equals_int(run_program("test", []() -> int { throw std::runtime_error("a reason"); }),
                         cudacam::test::kCannotRun);
  fail_unless_equals_int(
      run_program("test", []() -> int { throw cudacam::test::NotHere("no GPU"); }),
      cudacam::test::kSkipped);
}
GST_END_TEST

GST_START_TEST(an_interrupt_is_asked_for) {
  cudacam::test::catch_interrupts();
  fail_if(cudacam::test::interrupted());
  std::raise(SIGTERM);
  fail_unless(cudacam::test::interrupted());
}
GST_END_TEST

GST_START_TEST(a_figure_says_its_command_and_nobodys_addresses) {
  std::vector<std::string> words = {"/anywhere/build/demo",
                                    "--location=rtsp://me:secret@camera/1",
                                    "rtsp://me:secret@camera/2",
                                    "--json=/tmp/run.json",
                                    "/tmp/other.json",
                                    "--seconds",
                                    "30"};
  std::vector<char *> arguments;
  for (std::string &word : words) arguments.push_back(word.data());
  const auto machine =
      cudacam::test::describe_machine(static_cast<int>(arguments.size()), arguments.data());
  const std::string command = machine["command"];
  fail_unless(command ==
                  "demo --location=rtsp://... rtsp://... --json=run.json other.json "
                  "--seconds 30",
              "%s", command.c_str());
  for (const char *field : {"gpu", "driver", "cpu", "cores", "gstreamer", "date", "version"})
    fail_unless(machine.contains(field), "%s", field);
}
GST_END_TEST

GST_START_TEST(a_camera_that_ends_by_itself_is_told_once) {
  CameraProcess process("sh", {"-c", "exit 3"});
  process.start();
  std::optional<std::string> end;
  while (!(end = process.ended())) g_thread_yield();
  fail_unless(*end == "exit status 3");
  fail_if(process.ended());
}
GST_END_TEST

GST_START_TEST(a_camera_that_was_killed_has_not_ended_by_itself) {
  CameraProcess process("sleep", {"600"});
  process.start();
  fail_if(process.ended());
  process.kill();
  fail_if(process.ended());
}
GST_END_TEST

GST_START_TEST(a_camera_is_waited_for_until_it_serves) {
  CameraProcess camera("sh", {"-c", "sleep 0.3; echo rtsp://somewhere:1/cam; exec sleep 600"});
  camera.start();
  camera.wait_until_ready();
  fail_unless(camera.ready());
  fail_unless(camera.url() == "rtsp://somewhere:1/cam");
}
GST_END_TEST

GST_START_TEST(a_camera_that_never_serves_is_not_waited_for_for_ever) {
  CameraProcess camera("sleep", {"600"});
  camera.start();
  const std::string reason =
      failure_of([&] { camera.wait_until_ready(std::chrono::milliseconds(20)); });
  fail_unless(reason == "the test camera does not serve after 20 ms", "%s", reason.c_str());
}
GST_END_TEST

GST_START_TEST(a_camera_that_ends_instead_of_serving_is_an_error) {
  CameraProcess camera("true", {});
  fail_if(failure_of([&] { camera.wait_until_ready(); }).empty());
  camera.start();
  const std::string reason = failure_of([&] { camera.wait_until_ready(); });
  fail_unless(reason.find("ended instead of serving") != std::string::npos, "%s", reason.c_str());
}
GST_END_TEST

GST_START_TEST(what_a_terminal_sends_to_a_program_ends_none_of_its_cameras) {
  CameraProcess camera("sh", {"-c", "cut -d' ' -f5 /proc/$$/stat; exec sleep 600"});
  camera.start();
  camera.wait_until_ready();
  const std::string group = camera.url();  // its first line
  fail_if(group.empty() || group == std::to_string(getpgrp()), "%s", group.c_str());
}
GST_END_TEST

static Suite *programs_suite() {
  Suite *suite = suite_create("programs");
  TCase *line = tcase_create("command-line");
  suite_add_tcase(suite, line);
  tcase_add_test(line, options_keep_their_values_unless_given);
  tcase_add_test(line, what_is_no_option_is_refused);
  tcase_add_test(line, a_program_says_why_it_ends);
  tcase_add_test(line, an_interrupt_is_asked_for);
  tcase_add_test(line, a_figure_says_its_command_and_nobodys_addresses);
  TCase *process = tcase_create("process");
  suite_add_tcase(suite, process);
  tcase_add_test(process, a_camera_that_ends_by_itself_is_told_once);
  tcase_add_test(process, a_camera_that_was_killed_has_not_ended_by_itself);
  tcase_add_test(process, a_camera_is_waited_for_until_it_serves);
  tcase_add_test(process, a_camera_that_never_serves_is_not_waited_for_for_ever);
  tcase_add_test(process, a_camera_that_ends_instead_of_serving_is_an_error);
  tcase_add_test(process, what_a_terminal_sends_to_a_program_ends_none_of_its_cameras);
  return suite;
}

GST_CHECK_MAIN(programs)
