// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a run of cameras looked like over time, and the file that docs/benchmarks/report.py draws
/// from.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "machine.hpp"

namespace cudacam::test {

/// One thread. Times are seconds from the run's start and never fall.
class RunLog {
 public:
  explicit RunLog(const std::vector<std::string> &cameras);

  struct CameraSample {
    std::string status;  ///< of cudacamsrc
    std::uint64_t frames = 0;
    unsigned leases = 0;
  };
  void sample(double seconds, std::size_t camera, const CameraSample &sample);
  void sample(double seconds, const Usage &usage);

  void outage_begins(double seconds, std::size_t camera, const std::string &kind);
  /// Of the camera's last outage.
  void outage_ends(double seconds, std::size_t camera);

  /// "cameras": [{"name", "status": [[t, text]...] at each change, "frames", "leases": [[t, n]...],
  /// "outages": [{"kind", "begin", "end"}...]}], "process": [{"t", "vram", "rss", "threads",
  /// "fds"}...]; "vram" is missing without a GPU, "end" while the camera is away.
  nlohmann::json to_json() const;

 private:
  nlohmann::json cameras_ = nlohmann::json::array();
  nlohmann::json process_ = nlohmann::json::array();
};

/// {"kind": "run", "program", "machine", "log"}; programs add what they found.
nlohmann::json describe_run(const char *program, nlohmann::json machine, const RunLog &log);

/// One line. Throws std::runtime_error when the file cannot be written.
void write_json(const std::string &path, const nlohmann::json &value);

}  // namespace cudacam::test
