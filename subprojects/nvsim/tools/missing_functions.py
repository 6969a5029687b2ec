#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions of the driver API that nvsim does not simulate: each fails loudly with its name.

missing_functions.py CUDA_H OUTPUT SOURCE...: reads cuda.h (and cudaGL.h and cudaEGL.h beside it)
and writes one C++ function for each declaration that no SOURCE defines. The functions ignore their
arguments, so they need no prototypes; the version that a program asks for by macro is the one made.
"""
import os
import re
import sys

header, output, sources = sys.argv[1], sys.argv[2], sys.argv[3:]


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


declared, versions = set(), {}
for name in ("cuda.h", "cudaGL.h", "cudaEGL.h"):
    path = os.path.join(os.path.dirname(header), name)
    if not os.path.exists(path):
        continue
    text = re.sub(r"/\*.*?\*/", "", read(path), flags=re.DOTALL)
    declared |= set(re.findall(r"CUresult\s+CUDAAPI\s+(cu\w+)\s*\(", text))
    # The later definition is for programs that ask for a default stream of each thread.
    for old, new in re.findall(r"^\s*#define\s+(cu\w+)\s+(cu\w+_v\d+)\s*$", text, re.MULTILINE):
        versions.setdefault(old, new)

defined = set()
for source in sources:
    text = read(source)
    defined |= set(re.findall(r"NVSIM_API\s+CUresult\s+(cu\w+)\s*\(", text))
    if "NVSIM_FILL" in text:
        for bits in ("8", "16", "32"):
            defined |= {f"cuMemsetD{bits}_v2", f"cuMemsetD{bits}Async",
                        f"cuMemsetD2D{bits}_v2", f"cuMemsetD2D{bits}Async"}

wanted = {versions.get(name, name) for name in declared}
with open(output, "w", encoding="utf-8") as out:
    out.write('#include "driver/missing.hpp"\n')
    for name in sorted(wanted - defined):
        out.write(f'NVSIM_MISSING({name})\n')
