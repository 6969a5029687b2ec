/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Control of the simulated NVIDIA driver, for tests. The functions are exported by the simulated
 * libcuda.so.1; look them up with dlsym so that the same program runs on a real driver too.
 *
 * Function names are given without their version: "cuMemAlloc" means cuMemAlloc_v2 as well.
 * Streams are CUstream handles; NULL is the NULL stream of the calling thread's current context.
 * All functions may be called from any thread, except from inside a host function of a stream.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Faults ------------------------------------------------------------------------------ */

/* Makes calls fail. SPEC is FUNCTION@WHICH followed by what happens:
 *   WHICH   N the Nth call from now on; N+ the Nth and all after it; * every call
 *   =CODE   the call does nothing and returns CODE (a number, or a name: CUDA_ERROR_OUT_OF_MEMORY);
 *           a code that is sticky on a real driver poisons the process
 *   !CODE   the call succeeds, the work that it submits fails with CODE when the stream reaches it
 *   =skip   the call does nothing and returns success
 * Several rules are separated by ';'. Returns 0, or -1 when SPEC is not understood (then no rule
 * is added). */
int nvsim_fault_add(const char *spec);
void nvsim_fault_clear(void);

/* The process's sticky error, as after an illegal address; 0 is none. Setting 0 makes the driver
 * work again, which no real one does. */
void nvsim_set_error(int code);
int nvsim_error(void);

/* --- Streams ----------------------------------------------------------------------------- */

/* A held stream takes work and does none of it. nvsim_hold_all holds every stream, those to come
 * included; a stream runs when neither hold is on. */
void nvsim_hold_all(int hold);
int nvsim_hold(void *stream, int hold);

/* Lets a held stream do its next COUNT operations and returns when they are done, or when it can
 * get no further (nothing left, or waiting for a held stream). Returns how many it did, -1 when
 * STREAM is not live. */
int nvsim_step(void *stream, unsigned count);

/* Operations submitted to the stream and not done; -1 when STREAM is not live. */
long nvsim_pending(void *stream);

/* Each operation is delayed by 0..MAX_US microseconds, the same ones for the same seed. */
void nvsim_set_delay(unsigned max_us, uint64_t seed);

/* --- Memory and devices ------------------------------------------------------------------ */

/* Whether cuMemFree first waits for all the device's work, as real drivers do (the default), or
 * takes the memory away at once, so that late use is seen. */
void nvsim_set_free_waits(int waits);
int nvsim_set_memory_limit(int device, uint64_t bytes);
int nvsim_set_peer(int device, int peer, int can_access);

/* While a decoder is destroyed every other driver call waits at least this long. */
void nvsim_set_destroy_freeze_ms(unsigned ms);

/* --- Happens-before ---------------------------------------------------------------------- */

/* What one thread has learnt by synchronising, another does not know by itself.
 *   assumed   (default) any later call of any thread knows it: threads are taken to hand their
 *             knowledge over in ways that nvsim cannot see (queues, locks). No false reports.
 *   explicit  only nvsim_handoff_send / _receive with the same key hand it over. */
enum nvsim_handoff { NVSIM_HANDOFF_ASSUMED = 0, NVSIM_HANDOFF_EXPLICIT = 1 };
void nvsim_set_handoff(enum nvsim_handoff mode);
void nvsim_handoff_send(const void *key);
void nvsim_handoff_receive(const void *key);

/* --- What was seen ----------------------------------------------------------------------- */

/* Violations so far, and their text, one per line: returns its length, writes at most SIZE bytes
 * with the terminating NUL. */
unsigned nvsim_violations(void);
size_t nvsim_report(char *text, size_t size);
void nvsim_report_clear(void);

/* Calls of FUNCTION: by all threads; by the calling thread; with CONTEXT current. */
uint64_t nvsim_calls(const char *function);
uint64_t nvsim_calls_by_thread(const char *function);
uint64_t nvsim_calls_in_context(const char *function, void *context);

/* A counter by name; 0 when nothing was counted. See README.md for the names. */
int64_t nvsim_counter(const char *name);

#ifdef __cplusplus
}
#endif
