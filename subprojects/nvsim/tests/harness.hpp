// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A minimal test harness. Each TEST runs in a process of its own, because the driver's state is
// one for a process: the program runs itself anew with the test's name.
#pragma once

#include <cuda.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "nvsim/nvsim.h"

// Not in every cuda.h under this name.
extern "C" CUresult cuCtxCreate_v2(CUcontext *, unsigned, CUdevice);

namespace harness {

struct Case {
  const char *name;
  void (*run)();
};
std::vector<Case> &cases();
struct Registration {
  Registration(const char *name, void (*run)()) { cases().push_back({name, run}); }
};

[[noreturn]] void fail(const char *file, int line, const std::string &what);

template <typename Left, typename Right>
void check_equal(const Left &left, const Right &right, const char *text, const char *file,
                 int line) {
  if (!(left == static_cast<Left>(right)))
    fail(file, line,
         std::string(text) + ": " + std::to_string(static_cast<long long>(left)) + " and " +
             std::to_string(static_cast<long long>(right)));
}

// The report of nvsim as a string.
std::string report();
bool reported(const std::string &text);

// Initialises the driver; a context of device 0 is current.
CUcontext start(CUdevice device = 0);
CUstream make_stream(unsigned flags = CU_STREAM_NON_BLOCKING);
CUevent make_event(unsigned flags = CU_EVENT_DISABLE_TIMING);
CUdeviceptr make_memory(std::size_t size);

}  // namespace harness

#define TEST(NAME)                                                     \
  static void NAME();                                                  \
  static const harness::Registration NAME##_registration{#NAME, NAME}; \
  static void NAME()

#define CHECK(CONDITION) ((CONDITION) ? (void)0 : harness::fail(__FILE__, __LINE__, #CONDITION))
#define CHECK_EQUAL(LEFT, RIGHT) \
  harness::check_equal((LEFT), (RIGHT), #LEFT " == " #RIGHT, __FILE__, __LINE__)
#define CHECK_OK(CALL) CHECK_EQUAL(CALL, CUDA_SUCCESS)
