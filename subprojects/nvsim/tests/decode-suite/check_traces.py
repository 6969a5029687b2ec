#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check_traces.py PROGRAM PREFIX...: runs the scenarios whose names begin with a PREFIX, as TAP.

Each scenario of traces/scenarios is given to decode-trace, and what it prints is compared with what
an H200 made of the same calls. NVSIM_TEST_WRAPPER is a command to run decode-trace under.
"""

import difflib
import os
import re
import subprocess
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "traces")
SECONDS = 60


def scenarios(prefixes):
    with open(os.path.join(FOLDER, "scenarios"), encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if not words or words[0].startswith("#") or not words[0].startswith(prefixes):
                continue
            marks = {word for word in words[1:] if word.startswith("!")}
            yield words[0], marks, [word for word in words[1:] if word not in marks]


def without_pixels(text):
    return re.sub(r"(luma|chroma)=\w+", r"\1=*", text)


def check(program, name, marks, arguments):
    """The reasons why the scenario fails; an empty list when it passes."""
    with open(os.path.join(FOLDER, name + ".trace"), encoding="ascii") as golden:
        expected = golden.read()
    wrapper = os.environ.get("NVSIM_TEST_WRAPPER", "").split()
    result = subprocess.run([*wrapper, program, *arguments], cwd=os.path.join(FOLDER, "streams"), text=True,
                            capture_output=True, timeout=SECONDS, check=False)
    if result.returncode != 0:
        return [f"exit status {result.returncode}", *result.stderr.splitlines()[-5:]]
    printed = result.stdout
    if "!differs" in marks:
        return ["it does not differ any more: take the mark away"] if printed == expected else []
    if "!no-pixels" in marks:
        if printed == expected:
            return ["its pictures do not differ any more: take the mark away"]
        printed, expected = without_pixels(printed), without_pixels(expected)
    return list(difflib.unified_diff(expected.splitlines(), printed.splitlines(), "H200", "nvsim",
                                     lineterm="", n=1))[:20]


def main():
    program, prefixes = os.path.abspath(sys.argv[1]), tuple(sys.argv[2:])
    wanted = list(scenarios(prefixes))
    print(f"1..{len(wanted)}")
    for number, (name, marks, arguments) in enumerate(wanted, 1):
        reasons = check(program, name, marks, arguments)
        for reason in reasons:
            print("# " + reason)
        todo = " (known to differ)" if "!differs" in marks else ""
        print(f"{'not ok' if reasons else 'ok'} {number} {name}{todo}", flush=True)


main()
