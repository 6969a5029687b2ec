#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the calibration on nvsim and compares its answers with those of a real GPU.

compare.py PROGRAM LIBRARY_FOLDER KERNELS REAL EXPECTED: fails when the answers are not EXPECTED;
prints where those differ from REAL. README.md gives the reason for each difference.
"""
import difflib
import os
import subprocess
import sys

program, libraries, kernels, real, expected = sys.argv[1:]
environment = dict(os.environ, LD_LIBRARY_PATH=libraries, NVSIM_KERNELS=kernels, NVSIM_LOG="none")
answers = subprocess.run([program], env=environment, check=True, capture_output=True,
                         text=True).stdout.splitlines()


def lines(path):
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def differences(one, other, names):
    return list(difflib.unified_diff(one, other, *names, n=0, lineterm=""))


print(f"{len(answers)} answers")
print(*differences(lines(real), lines(expected), ("real", "nvsim")), sep="\n")
wrong = differences(lines(expected), answers, ("expected", "now"))
print(*wrong, sep="\n")
sys.exit(1 if wrong else 0)
