// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera-process.hpp"

#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace cudacam::test {
namespace {

// Between fork and exec: a program that dies leaves no cameras behind, but Ctrl-C in its terminal
// ends no camera under its hands.
void belong_to_parent(gpointer) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setpgid(0, 0);
}

std::string own_folder() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return ".";
  const std::string program(path, static_cast<size_t>(length));
  return program.substr(0, program.rfind('/'));
}

}  // namespace

std::string find_testcam() {
  if (const char *given = std::getenv("CUDACAM_TESTCAM")) return given;
  for (const char *place :
       {"/../tests/support/cudacam-testcam", "/../support/cudacam-testcam", "/cudacam-testcam"}) {
    const std::string path = own_folder() + place;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "cudacam-testcam";
}

CameraProcess::CameraProcess(std::string program, std::vector<std::string> options)
    : program_(std::move(program)), options_(std::move(options)) {
}

CameraProcess::~CameraProcess() {
  kill();
}

std::vector<std::string> CameraProcess::command_line() const {
  std::vector<std::string> words = {program_};
  words.insert(words.end(), options_.begin(), options_.end());
  if (url_.empty()) return words;
  const size_t colon = url_.rfind(':');
  words.push_back("--port");
  words.push_back(url_.substr(colon + 1, url_.find('/', colon) - colon - 1));
  return words;
}

void CameraProcess::start() {
  const std::vector<std::string> words = command_line();
  std::vector<char *> arguments;
  for (const std::string &word : words) arguments.push_back(const_cast<char *>(word.c_str()));
  arguments.push_back(nullptr);
  GError *error = nullptr;
  const auto flags = static_cast<GSpawnFlags>(G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH);
  if (!g_spawn_async_with_pipes(nullptr, arguments.data(), nullptr, flags, belong_to_parent,
                                nullptr, &pid_, &input_, &output_, nullptr, &error)) {
    const std::string reason = error->message;
    g_error_free(error);
    pid_ = -1;
    throw std::runtime_error("cannot start the test camera: " + reason);
  }
  line_.clear();
  serves_ = false;
}

bool CameraProcess::ready() {
  while (pid_ > 0 && !serves_) {
    pollfd wanted = {output_, POLLIN, 0};
    if (poll(&wanted, 1, 0) <= 0) return false;
    char byte;
    if (read(output_, &byte, 1) <= 0) {
      close_pipes();
      throw std::runtime_error("the test camera " + url_ + " ended instead of serving");
    }
    if (byte != '\n') {
      line_ += byte;
      continue;
    }
    url_ = line_;
    serves_ = true;
  }
  return pid_ > 0;
}

void CameraProcess::wait_until_ready(std::chrono::milliseconds limit) {
  using std::chrono::steady_clock;
  if (pid_ <= 0) throw std::runtime_error("the test camera was not started");
  const auto deadline = steady_clock::now() + limit;
  while (!ready()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0)
      throw std::runtime_error("the test camera does not serve after " +
                               std::to_string(limit.count()) + " ms");
    pollfd wanted = {output_, POLLIN, 0};
    poll(&wanted, 1, static_cast<int>(left.count()));
  }
}

std::optional<std::string> CameraProcess::ended() {
  int status = 0;
  if (pid_ <= 0 || waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  close_pipes();
  if (WIFSIGNALED(status)) return std::string("killed by ") + strsignal(WTERMSIG(status));
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

void CameraProcess::kill() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  close_pipes();
}

void CameraProcess::freeze() {
  if (pid_ > 0) ::kill(pid_, SIGSTOP);
}

void CameraProcess::thaw() {
  if (pid_ > 0) ::kill(pid_, SIGCONT);
}

void CameraProcess::command(const std::string &line) {
  // What it answered so far is of no interest, but must not fill the pipe.
  pollfd answers = {output_, POLLIN, 0};
  char ignored[256];
  while (poll(&answers, 1, 0) > 0 && read(output_, ignored, sizeof ignored) > 0) continue;
  const std::string text = line + "\n";
  if (write(input_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error("the test camera " + url_ + " takes no commands any more");
}

void CameraProcess::close_pipes() {
  for (int *pipe : {&input_, &output_}) {
    if (*pipe >= 0) close(*pipe);
    *pipe = -1;
  }
}

}  // namespace cudacam::test
