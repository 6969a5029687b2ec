// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Accesses to memory that is not there. In a kernel they end the kernel; anywhere else they are
// host code touching device memory, which is said in words before the process dies of it.
#pragma once

#include <cstdint>

namespace nvsim {

// Takes over SIGSEGV and SIGBUS; what is not ours goes to the handlers found here. May be called
// again, when another handler has been put on top.
void install_trap();

// Runs `function`, which must hold nothing that needs unwinding. False when it was trapped; then
// `*fault` is the address it touched.
bool run_trapped(void (*function)(void *), void *argument, const void **fault);

}  // namespace nvsim
