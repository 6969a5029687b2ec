#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check_traces.py [--exact] PROGRAM FIELD_STREAMS PREFIX...: the scenarios whose names begin with a PREFIX, as TAP.

Each scenario of traces/scenarios is given to decode-trace, and what it prints is compared with what
an H200 made of the same calls. `{fields}` is a folder that the program FIELD_STREAMS filled.
NVSIM_TEST_WRAPPER is a command to run decode-trace under. With --exact, for another driver, nothing is
taken out of the comparison.
"""

import difflib
import os
import re
import subprocess
import sys
import tempfile

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "traces")
SECONDS = 60


def scenarios(prefixes):
    with open(os.path.join(FOLDER, "scenarios"), encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if not words or words[0].startswith("#") or not words[0].startswith(prefixes):
                continue
            marks = [word for word in words[1:] if word.startswith("!")]
            yield words[0], marks, [word for word in words[1:] if word not in marks]


def without(fields):
    pattern = re.compile(rf" ({fields})=\w+")
    return lambda lines: [pattern.sub(r" \1=*", line) for line in lines]


def in_any_packet(lines):
    """Everything but the displays, then these, each in its order."""
    shown = [line for line in lines if line.startswith("  display")]
    return [line for line in lines if not line.startswith("  display")] + shown


# What a mark takes out of the comparison. Each has to be needed.
MARKS = {
    "!pixels": without("luma|chroma"),
    "!status": without("status"),
    "!packet": in_any_packet,
}


def leave_out(marks, lines):
    for mark in marks:
        lines = MARKS[mark](lines)
    return lines


def check(program, name, marks, arguments):
    """The reasons why the scenario fails; an empty list when it passes."""
    with open(os.path.join(FOLDER, name + ".trace"), encoding="ascii") as golden:
        expected = golden.read().splitlines()
    wrapper = os.environ.get("NVSIM_TEST_WRAPPER", "").split()
    result = subprocess.run([*wrapper, program, *arguments], cwd=os.path.join(FOLDER, "streams"), text=True,
                            capture_output=True, timeout=SECONDS, check=False)
    if result.returncode != 0:
        return [f"exit status {result.returncode}", *result.stderr.splitlines()[-5:]]
    printed = result.stdout.splitlines()
    for mark in marks:  # none with --exact
        others = [other for other in marks if other != mark]
        if leave_out(others, printed) == leave_out(others, expected):
            return [f"{mark} is not needed any more: take it away"]
    return list(difflib.unified_diff(leave_out(marks, expected), leave_out(marks, printed), "H200",
                                     "nvsim", lineterm="", n=1))[:20]


def main():
    arguments = sys.argv[1:]
    exact = arguments[0] == "--exact"
    program, field_streams, *prefixes = arguments[exact:]
    with tempfile.TemporaryDirectory() as fields:
        subprocess.run([os.path.abspath(field_streams), fields], check=True)
        run(os.path.abspath(program), fields, tuple(prefixes), exact)


def run(program, fields, prefixes, exact):
    wanted = list(scenarios(prefixes))
    print(f"1..{len(wanted)}")
    for number, (name, marks, arguments) in enumerate(wanted, 1):
        marks = [] if exact else marks
        reasons = check(program, name, marks, [word.format(fields=fields) for word in arguments])
        for reason in reasons:
            print("# " + reason)
        but = f" ({' '.join(marks)})" if marks else ""
        print(f"{'not ok' if reasons else 'ok'} {number} {name}{but}", flush=True)


if __name__ == "__main__":
    main()
