// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run-log.hpp"

#include <cmath>
#include <fstream>
#include <stdexcept>

namespace cudacam::test {

using nlohmann::json;

namespace {

double rounded(double seconds) {
  return std::round(seconds * 1000) / 1000;
}

}  // namespace

RunLog::RunLog(const std::vector<std::string> &cameras) {
  for (const std::string &name : cameras)
    cameras_.push_back({{"name", name},
                        {"status", json::array()},
                        {"frames", json::array()},
                        {"leases", json::array()},
                        {"outages", json::array()}});
}

void RunLog::sample(double seconds, std::size_t camera, const CameraSample &sample) {
  json &row = cameras_[camera];
  json &status = row["status"];
  if (status.empty() || status.back()[1] != sample.status)
    status.push_back({rounded(seconds), sample.status});
  row["frames"].push_back({rounded(seconds), sample.frames});
  row["leases"].push_back({rounded(seconds), sample.leases});
}

void RunLog::sample(double seconds, const Usage &usage) {
  json row = {
      {"t", rounded(seconds)}, {"rss", usage.rss}, {"threads", usage.threads}, {"fds", usage.fds}};
  if (usage.vram) row["vram"] = *usage.vram;
  process_.push_back(std::move(row));
}

void RunLog::outage_begins(double seconds, std::size_t camera, const std::string &kind) {
  cameras_[camera]["outages"].push_back({{"kind", kind}, {"begin", rounded(seconds)}});
}

void RunLog::outage_ends(double seconds, std::size_t camera) {
  json &outages = cameras_[camera]["outages"];
  if (!outages.empty()) outages.back()["end"] = rounded(seconds);
}

json RunLog::to_json() const {
  return {{"cameras", cameras_}, {"process", process_}};
}

json describe_run(const char *program, json machine, const RunLog &log) {
  return {{"kind", "run"},
          {"program", program},
          {"machine", std::move(machine)},
          {"log", log.to_json()}};
}

void write_json(const std::string &path, const json &value) {
  std::ofstream file(path);
  file << value.dump() << '\n';
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace cudacam::test
