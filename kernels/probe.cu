// SPDX-License-Identifier: LGPL-2.1-or-later
/// Whether nvcc works is tried with this.
extern "C" __global__ void probe() {
}
