#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the table of CUresult names of a cuda.h: error_names.py CUDA_H OUTPUT."""
import re
import sys

header = open(sys.argv[1], encoding="utf-8", errors="replace").read()
end = header.index("} CUresult;")
body = header[header.rindex("typedef enum", 0, end):end]
names = re.findall(r"^\s*(CUDA_(?:SUCCESS|ERROR_\w+))\s*=\s*(\d+)", body, re.MULTILINE)
if len(names) < 20:
    sys.exit("error_names.py: no CUresult found in " + sys.argv[1])
with open(sys.argv[2], "w", encoding="utf-8") as out:
    for name, value in names:
        out.write(f'{{{value}, "{name}"}},\n')
