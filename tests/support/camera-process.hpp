// SPDX-License-Identifier: LGPL-2.1-or-later
/// A cudacam-testcam as a child process, so that it can die and hang as real cameras do.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace cudacam::test {

/// Main thread only: the children are made to die with the thread that started them.
class CameraProcess {
 public:
  CameraProcess(std::string program, std::vector<std::string> options);
  ~CameraProcess();  // kills it
  CameraProcess(const CameraProcess &) = delete;
  CameraProcess &operator=(const CameraProcess &) = delete;

  /// Starts the program, on the same port as before. Throws std::runtime_error when it cannot.
  void start();
  /// Whether it serves; never blocks. Throws std::runtime_error when it ended instead.
  bool ready();
  /// Comes back when it serves. Throws std::runtime_error when it ended instead, or does not serve
  /// within `limit`.
  void wait_until_ready(std::chrono::milliseconds limit = std::chrono::minutes(1));
  /// What became of it when it ended by itself, in words, once; otherwise nothing. Never blocks.
  std::optional<std::string> ended();
  void kill();    ///< SIGKILL
  void freeze();  ///< SIGSTOP
  void thaw();    ///< SIGCONT
  /// One line for its standard input, see cudacam-testcam --help; takes effect soon. Throws
  /// std::runtime_error when the process is gone.
  void command(const std::string &line);

  /// Known once it was ready, and unchanged from then on.
  const std::string &url() const { return url_; }

 private:
  std::vector<std::string> command_line() const;
  void close_pipes();

  const std::string program_;
  const std::vector<std::string> options_;
  std::string url_;
  std::string line_;  // what has come of the first line
  bool serves_ = false;
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;  // stays open: a process that answers commands needs somebody to answer to
};

/// The program beside this one in the build tree or the installation, or in PATH;
/// $CUDACAM_TESTCAM overrides.
std::string find_testcam();

}  // namespace cudacam::test
