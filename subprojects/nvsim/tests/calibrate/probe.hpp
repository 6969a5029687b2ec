// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Calibration: how does a driver behave? The same program runs on a real driver and on nvsim; it
// prints "probe: answer" lines that hold no times or addresses, so the two can be compared.
// Each probe runs in a process of its own, with a time limit.
#pragma once

#include <cuda.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

extern "C" CUresult cuCtxCreate_v2(CUcontext *, unsigned, CUdevice);

namespace calibrate {

struct Probe {
  const char *name;
  void (*run)();
};
std::vector<Probe> &probes();
struct Registration {
  Registration(const char *name, void (*run)()) { probes().push_back({name, run}); }
};

// Prints "probe.what: answer".
void say(const std::string &what, const std::string &answer);
void say(const std::string &what, CUresult answer);

// Ends the probe when the preparation fails.
void need(CUresult result, const char *what);
#define NEED(CALL) calibrate::need((CALL), #CALL)

CUcontext start();
CUcontext another_context();
CUstream stream(unsigned flags = CU_STREAM_NON_BLOCKING);
CUevent event(unsigned flags = CU_EVENT_DISABLE_TIMING);
CUdeviceptr memory(std::size_t size = 1 << 20);

CUmodule load_module();

// Kernels, of the current context: poke writes a byte, spin runs until the flag is set.
void poke(CUdeviceptr address, CUstream on);

// A kernel that runs until it is released; in its context when made.
class Spinner {
 public:
  explicit Spinner(CUstream on);
  ~Spinner() { release(); }
  // Once only: later the flag may be gone with its context.
  void release() {
    if (!released_.exchange(true)) *flag_ = 1;
  }
  bool released() const { return released_; }

 private:
  volatile unsigned *flag_ = nullptr;
  std::atomic<bool> released_{false};
};

// Calls `function` while the spinner runs, which is released after a while: "returns" when the call
// comes back before that, "waits" when it does not; with its code.
void say_whether_waits(const std::string &what, Spinner &spinner,
                       const std::function<CUresult()> &function);

// The GPU has failed, by a write to an address that was never allocated.
void break_gpu();

}  // namespace calibrate

#define PROBE(NAME)                                                      \
  static void NAME();                                                    \
  static const calibrate::Registration NAME##_registration{#NAME, NAME}; \
  static void NAME()
