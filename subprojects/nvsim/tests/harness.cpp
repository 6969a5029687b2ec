// SPDX-License-Identifier: LGPL-2.1-or-later
#include "harness.hpp"

#include <sys/wait.h>
#include <unistd.h>

namespace harness {
namespace {

// NVSIM_TEST_WRAPPER is a command to run each case under: valgrind.
int run_in_process(const char *program, const char *name) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (const char *wrapper = std::getenv("NVSIM_TEST_WRAPPER")) {
      const std::string command = std::string(wrapper) + " \"$0\" \"$1\"";
      execl("/bin/sh", "sh", "-c", command.c_str(), program, name, static_cast<char *>(nullptr));
    }
    execl(program, program, name, static_cast<char *>(nullptr));
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::vector<Case> &cases() {
  static std::vector<Case> all;
  return all;
}

void fail(const char *file, int line, const std::string &what) {
  std::printf("# %s:%d: not so: %s\n", file, line, what.c_str());
  std::fflush(nullptr);
  _exit(1);
}

std::string report() {
  std::string text(nvsim_report(nullptr, 0) + 1, '\0');
  nvsim_report(text.data(), text.size());
  text.pop_back();
  return text;
}

bool reported(const std::string &text) {
  return report().find(text) != std::string::npos;
}

CUcontext start(CUdevice device) {
  CHECK_OK(cuInit(0));
  CUcontext context = nullptr;
  CHECK_OK(cuCtxCreate_v2(&context, 0, device));
  return context;
}

CUstream make_stream(unsigned flags) {
  CUstream stream = nullptr;
  CHECK_OK(cuStreamCreate(&stream, flags));
  return stream;
}

CUevent make_event(unsigned flags) {
  CUevent event = nullptr;
  CHECK_OK(cuEventCreate(&event, flags));
  return event;
}

CUdeviceptr make_memory(std::size_t size) {
  CUdeviceptr address = 0;
  CHECK_OK(cuMemAlloc(&address, size));
  return address;
}

}  // namespace harness

int main(int argc, char **argv) {
  if (argc > 1) {
    for (const harness::Case &test : harness::cases()) {
      if (std::strcmp(test.name, argv[1]) != 0) continue;
      test.run();
      return 0;
    }
    std::fprintf(stderr, "no test named %s\n", argv[1]);
    return 2;
  }
  int failed = 0;
  std::printf("1..%zu\n", harness::cases().size());
  int number = 0;
  for (const harness::Case &test : harness::cases()) {
    const int result = harness::run_in_process(argv[0], test.name);
    std::printf("%sok %d - %s\n", result == 0 ? "" : "not ", ++number, test.name);
    if (result != 0) {
      std::printf("# ended with %d\n", result);
      ++failed;
    }
  }
  return failed != 0;
}
