// SPDX-License-Identifier: LGPL-2.1-or-later
#include "probe.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace calibrate {
namespace {

constexpr unsigned kTimeLimitSeconds = 20;
constexpr auto kSpin = std::chrono::milliseconds(400);

const char *current_probe = "";

// On nvsim these are found by name in the host build of kernels.cu.
const char kPtx[] = R"(
.version 7.0
.target sm_75
.address_size 64
.visible .entry poke(.param .u64 address) {
  .reg .b32 %r<2>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [address];
  mov.u32 %r1, 1;
  st.global.u8 [%rd1], %r1;
  ret;
}
.visible .entry spin(.param .u64 flag) {
  .reg .pred %p<2>;
  .reg .b32 %r<2>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [flag];
again:
  ld.volatile.global.u32 %r1, [%rd1];
  setp.eq.u32 %p1, %r1, 0;
  @%p1 bra again;
  ret;
}
)";

CUresult launch(const char *name, CUdeviceptr argument, CUstream on) {
  CUfunction function = nullptr;
  NEED(cuModuleGetFunction(&function, load_module(), name));
  void *parameters[] = {&argument};
  return cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, on, parameters, nullptr);
}

}  // namespace

std::vector<Probe> &probes() {
  static std::vector<Probe> all;
  return all;
}

void say(const std::string &what, const std::string &answer) {
  std::printf("%s.%s: %s\n", current_probe, what.c_str(), answer.c_str());
  std::fflush(stdout);
}

void say(const std::string &what, CUresult answer) {
  const char *name = nullptr;
  cuGetErrorName(answer, &name);
  const std::string text = name ? name : "unknown";
  say(what, text.rfind("CUDA_", 0) == 0 ? text.substr(5) : text);
}

void need(CUresult result, const char *what) {
  if (result == CUDA_SUCCESS) return;
  say(std::string("impossible, ") + what, result);
  _exit(0);
}

CUcontext start() {
  NEED(cuInit(0));
  return another_context();
}

CUcontext another_context() {
  CUcontext context = nullptr;
  NEED(cuCtxCreate_v2(&context, 0, 0));
  return context;
}

CUstream stream(unsigned flags) {
  CUstream made = nullptr;
  NEED(cuStreamCreate(&made, flags));
  return made;
}

CUevent event(unsigned flags) {
  CUevent made = nullptr;
  NEED(cuEventCreate(&made, flags));
  return made;
}

CUmodule load_module() {
  CUmodule module = nullptr;
  NEED(cuModuleLoadData(&module, kPtx));
  return module;
}

CUdeviceptr memory(std::size_t size) {
  CUdeviceptr made = 0;
  NEED(cuMemAlloc(&made, size));
  return made;
}

void poke(CUdeviceptr address, CUstream on) {
  NEED(launch("poke", address, on));
}

Spinner::Spinner(CUstream on) {
  void *flag = nullptr;
  NEED(cuMemHostAlloc(&flag, 4096, CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_PORTABLE));
  std::memset(flag, 0, 4096);
  flag_ = static_cast<unsigned *>(flag);
  CUdeviceptr on_device = 0;
  NEED(cuMemHostGetDevicePointer(&on_device, flag, 0));
  NEED(launch("spin", on_device, on));
}

void say_whether_waits(const std::string &what, Spinner &spinner,
                       const std::function<CUresult()> &function) {
  std::thread releaser([&] {
    std::this_thread::sleep_for(kSpin);
    spinner.release();
  });
  const CUresult result = function();
  const bool waited = spinner.released();
  releaser.join();
  const char *name = nullptr;
  cuGetErrorName(result, &name);
  say(what, std::string(waited ? "waits" : "returns") +
                (result == CUDA_SUCCESS ? "" : std::string(", ") + (name ? name + 5 : "unknown")));
}

void break_gpu() {
  poke(0x100000, nullptr);
  if (cuStreamSynchronize(nullptr) == CUDA_SUCCESS) say("impossible", "the GPU did not fail");
}

}  // namespace calibrate

int main(int argc, char **argv) {
  using namespace calibrate;
  for (const Probe &probe : probes()) {
    if (argc > 1 && std::strcmp(argv[1], probe.name) != 0) continue;
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      current_probe = probe.name;
      alarm(kTimeLimitSeconds);
      probe.run();
      std::fflush(stdout);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    current_probe = probe.name;
    if (WIFSIGNALED(status))
      say("ended by", WTERMSIG(status) == SIGALRM ? "time limit" : strsignal(WTERMSIG(status)));
  }
  return 0;
}
