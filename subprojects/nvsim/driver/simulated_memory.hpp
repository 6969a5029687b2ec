// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

// ThreadSanitizer's, where the program is built with it.
extern "C" {
__attribute__((weak)) void AnnotateIgnoreReadsBegin(const char *file, int line);
__attribute__((weak)) void AnnotateIgnoreReadsEnd(const char *file, int line);
__attribute__((weak)) void AnnotateIgnoreWritesBegin(const char *file, int line);
__attribute__((weak)) void AnnotateIgnoreWritesEnd(const char *file, int line);
}

namespace nvsim {

// Races between operations on simulated memory are nvsim's to find, by the order that the program
// made; what the worker threads happen to do is no matter of ThreadSanitizer's.
class SimulatedMemoryScope {
 public:
  SimulatedMemoryScope() {
    if (!AnnotateIgnoreReadsBegin) return;
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~SimulatedMemoryScope() {
    if (!AnnotateIgnoreReadsBegin) return;
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  SimulatedMemoryScope(const SimulatedMemoryScope &) = delete;
  SimulatedMemoryScope &operator=(const SimulatedMemoryScope &) = delete;
};

}  // namespace nvsim
