// SPDX-License-Identifier: LGPL-2.1-or-later
#include "instructions.hpp"

#include <glib.h>
#include <glib/gstdio.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace cudacam::bench {
namespace {

/// A path for the output that ends with this.
class OutputFile {
 public:
  OutputFile() {
    gchar *made = nullptr;
    const int file = g_file_open_tmp("cudacam-callgrind-XXXXXX", &made, nullptr);
    if (file < 0) throw std::runtime_error("no temporary file can be made");
    g_close(file, nullptr);
    path_ = made;
    g_free(made);
  }
  ~OutputFile() { g_unlink(path_.c_str()); }
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;
  const std::string &path() const { return path_; }

 private:
  std::string path_;
};

/// Callgrind's format, names and positions not compressed: the lines of a function's own costs are
/// "position cost"; the one after "calls=" is what was called, which has lines of its own.
std::map<std::string, double> own_costs(const std::string &path) {
  std::ifstream file(path);
  std::map<std::string, double> costs;
  std::string library, line;
  while (std::getline(file, line)) {
    if (line.rfind("ob=", 0) == 0) {
      library = std::filesystem::path(line.substr(3)).filename().string();
    } else if (line.rfind("calls=", 0) == 0) {
      std::getline(file, line);
    } else if (!line.empty() && g_ascii_isdigit(line[0])) {
      std::istringstream words(line);
      double position = 0, cost = 0;
      if (words >> position >> cost) costs[library] += cost;
    }
  }
  return costs;
}

}  // namespace

std::map<std::string, double> count_instructions(const std::vector<std::string> &arguments) {
  const std::unique_ptr<gchar, decltype(&g_free)> valgrind(g_find_program_in_path("valgrind"),
                                                           g_free);
  if (!valgrind)
    throw std::runtime_error("instructions are counted by valgrind, which is not here");
  const OutputFile output;
  std::vector<std::string> words = {valgrind.get(),
                                    "--tool=callgrind",
                                    "--collect-atstart=no",
                                    "--compress-strings=no",
                                    "--compress-pos=no",
                                    "--dump-line=no",
                                    "--callgrind-out-file=" + output.path(),
                                    std::filesystem::read_symlink("/proc/self/exe").string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<gchar *> argv;
  for (auto &word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  gchar *raw_said = nullptr;
  gint status = 0;
  GError *raw_error = nullptr;
  const bool ran = g_spawn_sync(nullptr, argv.data(), nullptr, G_SPAWN_STDOUT_TO_DEV_NULL, nullptr,
                                nullptr, nullptr, &raw_said, &status, &raw_error);
  const std::string said = raw_said ? raw_said : "";
  g_free(raw_said);
  const std::unique_ptr<GError, decltype(&g_error_free)> error(raw_error, g_error_free);
  if (!ran) throw std::runtime_error(std::string("valgrind does not start: ") + error->message);
  if (!g_spawn_check_wait_status(status, nullptr))
    throw std::runtime_error("the program fails under callgrind: " + said);
  auto costs = own_costs(output.path());
  if (costs.empty()) throw std::runtime_error("callgrind counted nothing: " + said);
  return costs;
}

}  // namespace cudacam::bench
