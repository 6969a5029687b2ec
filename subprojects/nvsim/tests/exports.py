#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that a simulated library exports what a program looks up in it by name.

exports.py LIBRARY PREFIX FILE...: each FILE is a program or library whose strings that look like
functions (PREFIX, then a capital letter) are what it looks up, or a .txt list, one name a line.
Skipped (77) when none of the files exists.
"""
import os
import re
import subprocess
import sys

library, prefix, files = sys.argv[1], sys.argv[2], sys.argv[3:]
present = [path for path in files if os.path.exists(path)]
if not present:
    print("none of these is installed:", *files)
    sys.exit(77)

table = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True,
                       text=True).stdout
exported = {line.split()[2] for line in table.splitlines() if len(line.split()) == 3}

missing = 0
for path in present:
    with open(path, "rb") as file:
        content = file.read()
    if path.endswith(".txt"):
        names = {line for line in content.decode().split("\n") if line and line[0] != "#"}
    else:
        pattern = rb"(?<![\w])" + prefix.encode() + rb"[A-Z][A-Za-z0-9]+(?:_v\d)?(?=\0)"
        names = {name.decode() for name in re.findall(pattern, content)}
    absent = sorted(names - exported)
    print(f"{path}: asks for {len(names)}, {len(absent)} missing", *absent)
    missing += len(absent)
    if not names:
        print("no names found: is this the right file?")
        missing += 1
sys.exit(missing != 0)
