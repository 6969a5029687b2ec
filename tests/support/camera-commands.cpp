// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera-commands.hpp"

#include <cstdio>
#include <exception>
#include <map>
#include <sstream>

namespace cudacam::test {
namespace {

std::string status_line(const TestCamera &camera) {
  const auto highest = camera.highest_number();
  return "clients=" + std::to_string(camera.clients()) +
         " sessions=" + std::to_string(camera.sessions()) +
         " frames=" + std::to_string(camera.frames_sent()) +
         " newest=" + (highest ? std::to_string(*highest) : "none");
}

std::string change_resolution(TestCamera &camera, const std::string &size) {
  int width = 0, height = 0;
  char rest = 0;
  if (std::sscanf(size.c_str(), "%dx%d%c", &width, &height, &rest) != 2)
    return "error: resolution wants WIDTHxHEIGHT, for instance 1280x720";
  camera.set_resolution(width, height);
  return "ok";
}

std::string change_password(TestCamera &camera, const std::string &user, const std::string &word) {
  if (user.empty() || (word.empty() && user != "off"))
    return "error: password wants USER PASS, or off";
  camera.require_password(word.empty() ? std::string() : user, word);
  return "ok";
}

std::string change_not_found(TestCamera &camera, const std::string &value) {
  if (value != "on" && value != "off") return "error: notfound wants on or off";
  camera.set_not_found(value == "on");
  return "ok";
}

}  // namespace

std::string run_camera_command(TestCamera &camera, const std::string &line) try {
  using Command = void (TestCamera::*)();
  static const std::map<std::string, Command> plain = {{"close", &TestCamera::close_connections},
                                                       {"reset", &TestCamera::reset_connections},
                                                       {"freeze", &TestCamera::freeze},
                                                       {"unfreeze", &TestCamera::unfreeze},
                                                       {"stop", &TestCamera::stop},
                                                       {"start", &TestCamera::start},
                                                       {"eos", &TestCamera::send_eos}};
  std::istringstream words(line);
  std::string name, first, second, rest;
  words >> name >> first >> second >> rest;
  if (!rest.empty()) return "error: too many words";
  if (name == "resolution") return change_resolution(camera, first);
  if (name == "password") return change_password(camera, first, second);
  if (name == "notfound") return change_not_found(camera, first);
  if (name == "status") return status_line(camera);
  const auto known = plain.find(name);
  if (known == plain.end()) return "error: unknown command, see --help: " + name;
  (camera.*known->second)();
  return "ok";
} catch (const std::exception &failure) {
  return std::string("error: ") + failure.what();
}

}  // namespace cudacam::test
