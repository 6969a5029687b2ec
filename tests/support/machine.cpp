// SPDX-License-Identifier: LGPL-2.1-or-later
#include "machine.hpp"

#include <dlfcn.h>
#include <gst/gst.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "simulated-gpu.hpp"
#include "version.hpp"

namespace cudacam::test {
namespace {

/// NVIDIA's management library: it tells of the GPU without making a CUDA context.
class Nvml {
 public:
  static const Nvml &get() {
    static const Nvml instance;
    return instance;
  }
  std::string driver() const { return text(driver_version_); }
  std::string name() const {
    char buffer[96] = "";
    return device_ && name_ && name_(device_, buffer, sizeof buffer) == 0 ? buffer : "";
  }
  std::optional<std::uint64_t> used() const {
    Memory memory{};
    if (!device_ || !memory_ || memory_(device_, &memory) != 0) return std::nullopt;
    return memory.used;
  }

 private:
  struct Memory {
    unsigned long long total, free, used;
  };
  using Text = int(char *, unsigned);

  Nvml() {
    library_ = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library_) return;
    const auto init = function<int()>("nvmlInit_v2");
    const auto by_index = function<int(unsigned, void **)>("nvmlDeviceGetHandleByIndex_v2");
    if (!init || !by_index || init() != 0 || by_index(0, &device_) != 0) return;
    driver_version_ = function<Text>("nvmlSystemGetDriverVersion");
    name_ = function<int(void *, char *, unsigned)>("nvmlDeviceGetName");
    memory_ = function<int(void *, Memory *)>("nvmlDeviceGetMemoryInfo");
  }
  template <class Function>
  Function *function(const char *name) const {
    return reinterpret_cast<Function *>(dlsym(library_, name));
  }
  static std::string text(Text *ask) {
    char buffer[96] = "";
    return ask && ask(buffer, sizeof buffer) == 0 ? buffer : "";
  }

  void *library_ = nullptr;  // never closed
  void *device_ = nullptr;
  Text *driver_version_ = nullptr;
  int (*name_)(void *, char *, unsigned) = nullptr;
  int (*memory_)(void *, Memory *) = nullptr;
};

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string now_in_utc() {
  GDateTime *now = g_date_time_new_now_utc();
  gchar *text = g_date_time_format(now, "%Y-%m-%d %H:%M UTC");
  const std::string result = text;
  g_free(text);
  g_date_time_unref(now);
  return result;
}

/// Addresses of cameras are nobody's business, least of all with a password in them; nor are
/// folders.
std::string without_address(const std::string &word) {
  const auto scheme = word.find("://");
  if (scheme != std::string::npos) return word.substr(0, scheme) + "://...";
  const auto folder = word.rfind('/');
  if (folder == std::string::npos) return word;
  const auto value = word.rfind('=', folder);
  return (value == std::string::npos ? "" : word.substr(0, value + 1)) + word.substr(folder + 1);
}

std::string command_of(int argc, char **argv) {
  std::string command = without_address(argv[0]);
  for (int i = 1; i < argc; ++i) command += " " + without_address(argv[i]);
  return command;
}

std::uint64_t status_field(const std::string &name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind(name + ":", 0) == 0) return std::stoull(line.substr(name.size() + 1));
  return 0;
}

}  // namespace

nlohmann::json describe_machine(int argc, char **argv) {
  const bool simulated = gpu_is_simulated();
  const std::string gpu = simulated ? "simulated by nvsim" : Nvml::get().name();
  gchar *version = gst_version_string();
  nlohmann::json result = {{"gpu", gpu.empty() ? "none" : gpu},
                           {"driver", simulated ? "nvsim" : Nvml::get().driver()},
                           {"simulated", simulated},
                           {"cpu", cpu_name()},
                           {"cores", std::thread::hardware_concurrency()},
                           {"gstreamer", version},
                           {"date", now_in_utc()},
                           {"version", cudacam::test::version()},
                           {"command", command_of(argc, argv)}};
  g_free(version);
  return result;
}

Usage usage() {
  Usage result;
  if (gpu_is_simulated())
    result.vram = static_cast<std::uint64_t>(simulated_counter("memory.bytes"));
  else
    result.vram = Nvml::get().used();
  result.rss = status_field("VmRSS") * 1024;
  result.threads = static_cast<unsigned>(status_field("Threads"));
  for ([[maybe_unused]] const auto &entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++result.fds;
  --result.fds;  // the iterator's own
  return result;
}

}  // namespace cudacam::test
