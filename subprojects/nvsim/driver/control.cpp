// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The control interface, nvsim.h.
#include "nvsim/nvsim.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "driver/driver.hpp"

using nvsim::Driver;
using nvsim::Lock;
using nvsim::Stream;

namespace nvsim {
namespace {

// Null where there is no such stream.
std::shared_ptr<Stream> stream_by_handle(const Lock &, void *handle) {
  Driver &driver = Driver::get();
  if (handle) return driver.streams.find(static_cast<CUstream>(handle));
  const auto &contexts = this_thread().contexts;
  return contexts.empty() ? nullptr : driver.null_stream(contexts.back());
}

// What threads have put down for others to pick up. Guarded by the driver's mutex.
std::unordered_map<const void *, Clock> &handed_over() {
  static auto *const clocks = new std::unordered_map<const void *, Clock>;
  return *clocks;
}

}  // namespace
}  // namespace nvsim

// --- Faults --------------------------------------------------------------------------------

NVSIM_API int nvsim_fault_add(const char *spec) {
  return spec && Driver::get().faults.add(spec) ? 0 : -1;
}
NVSIM_API void nvsim_fault_clear(void) {
  Driver::get().faults.clear();
}
NVSIM_API void nvsim_set_error(int code) {
  Driver::get().set_error(static_cast<CUresult>(code));
}
NVSIM_API int nvsim_error(void) {
  return Driver::get().error();
}

// --- Streams -------------------------------------------------------------------------------

NVSIM_API void nvsim_hold_all(int hold) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  driver.hold_all = hold != 0;
  for (Stream *stream : driver.workers) stream->look_again();
}

NVSIM_API int nvsim_hold(void *handle, int hold) {
  const Lock lock(Driver::get().mutex);
  const auto stream = nvsim::stream_by_handle(lock, handle);
  if (!stream) return -1;
  stream->hold(hold != 0);
  return 0;
}

NVSIM_API int nvsim_step(void *handle, unsigned count) {
  Lock lock(Driver::get().mutex);
  const auto stream = nvsim::stream_by_handle(lock, handle);
  return stream ? stream->step(lock, count) : -1;
}

NVSIM_API long nvsim_pending(void *handle) {
  const Lock lock(Driver::get().mutex);
  const auto stream = nvsim::stream_by_handle(lock, handle);
  if (!stream) return -1;
  return static_cast<long>(stream->timeline().submitted - stream->timeline().completed);
}

NVSIM_API void nvsim_set_delay(unsigned max_us, uint64_t seed) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  driver.settings.delay_us = max_us;
  driver.settings.delay_seed = seed;
  for (const auto &entry : driver.all_streams()) entry->seed_delays();
}

// --- Memory and devices --------------------------------------------------------------------

NVSIM_API void nvsim_set_free_waits(int waits) {
  Driver::get().settings.free_waits = waits != 0;
}

NVSIM_API int nvsim_set_memory_limit(int device, uint64_t bytes) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  if (device < 0 || static_cast<std::size_t>(device) >= driver.devices.size()) return -1;
  driver.devices[static_cast<std::size_t>(device)].limit = bytes;
  return 0;
}

NVSIM_API int nvsim_set_peer(int device, int peer, int can_access) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  const auto valid = [&](int ordinal) {
    return ordinal >= 0 && static_cast<std::size_t>(ordinal) < driver.devices.size();
  };
  if (!valid(device) || !valid(peer) || device == peer) return -1;
  driver.devices[static_cast<std::size_t>(device)].peers[static_cast<std::size_t>(peer)] =
      can_access != 0;
  return 0;
}

NVSIM_API void nvsim_set_destroy_freeze_ms(unsigned ms) {
  Driver::get().settings.destroy_freeze_ms = ms;
}

// --- Happens-before ------------------------------------------------------------------------

NVSIM_API void nvsim_set_handoff(enum nvsim_handoff mode) {
  Driver::get().settings.explicit_handoff = mode == NVSIM_HANDOFF_EXPLICIT;
}

NVSIM_API void nvsim_handoff_send(const void *key) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  nvsim::handed_over()[key].join(driver.known_to_thread[nvsim::this_thread().number],
                                 driver.parties);
}

NVSIM_API void nvsim_handoff_receive(const void *key) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  driver.known_to_thread[nvsim::this_thread().number].join(nvsim::handed_over()[key],
                                                           driver.parties);
}

// --- What was seen -------------------------------------------------------------------------

NVSIM_API unsigned nvsim_violations(void) {
  return Driver::get().report.violations();
}

NVSIM_API size_t nvsim_report(char *text, size_t size) {
  const std::string report = Driver::get().report.text();
  if (text && size) {
    const std::size_t length = std::min(report.size(), size - 1);
    std::memcpy(text, report.data(), length);
    text[length] = '\0';
  }
  return report.size();
}

NVSIM_API void nvsim_report_clear(void) {
  Driver::get().report.clear();
}

NVSIM_API uint64_t nvsim_calls(const char *function) {
  return Driver::get().counters.calls(nvsim::base_name(function));
}
NVSIM_API uint64_t nvsim_calls_by_thread(const char *function) {
  return Driver::get().counters.calls_by_thread(nvsim::base_name(function),
                                                nvsim::this_thread().number);
}
NVSIM_API uint64_t nvsim_calls_in_context(const char *function, void *handle) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  const auto context = driver.contexts.find(static_cast<CUcontext>(handle));
  return context ? driver.counters.calls_in_context(nvsim::base_name(function), context->number())
                 : 0;
}

NVSIM_API int64_t nvsim_counter(const char *name) {
  Driver &driver = Driver::get();
  const Lock lock(driver.mutex);
  if (!std::strcmp(name, "race.parties")) return static_cast<int64_t>(driver.parties.size());
  if (!std::strcmp(name, "race.clock")) return static_cast<int64_t>(driver.known_to_all.size());
  return driver.counters.value(name);
}
