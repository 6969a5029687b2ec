#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""fields.py PROGRAM STREAMS ANSWERS: what this driver makes of H.264 field pictures, beside what is recorded.

PROGRAM is nvsim's decode-trace, STREAMS a folder with the streams of its field-streams, ANSWERS one with a
trace for each stream and way to feed it. With --record the traces are written there. Without, the answers
of this driver are compared with them and differences are told, not judged: --json FILE gets them, --traces
DIR this driver's traces.
"""
import argparse
import collections
import concurrent.futures
import difflib
import itertools
import json
import operator
import pathlib
import re
import subprocess
import sys

from check_traces import MARKS

LIMIT = 60  # seconds for one stream; for hangs
SHOWN = 30  # lines of a difference that are kept

# How the stream is fed: all fields of each callback; with the display delay of players; as bytes of which
# nobody says where a picture ends.
WAYS = {'': [], '-delay4': ['delay=4', 'brief=1'], '-unmarked': ['eop=0', 'brief=1']}


def trace(program, stream, way):
    """(lines, problem)"""
    command = [str(program), *WAYS[way], f'feed:{stream}', 'eos']
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors='replace', timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return [], f'no end after {LIMIT} s'
    problem = ''
    if done.returncode:
        problem = f'exit status {done.returncode}: {" ".join(done.stderr.split()[-20:])}'
    return done.stdout.splitlines(), problem


def sizes_of(lines):
    """The size that the parser gives a picture, which only tells how units were cut."""
    return [re.sub(r' bytes=\w+,\w+', ' bytes=*', line) for line in lines]


KINDS = {**MARKS, 'bytes': sizes_of}


def needed(expected, seen):
    """The fewest kinds of differences that explain all of them; None when something else differs."""
    for count in range(len(KINDS) + 1):
        for kinds in itertools.combinations(KINDS, count):
            one, other = expected, seen
            for kind in kinds:
                one, other = KINDS[kind](one), KINDS[kind](other)
            if one == other:
                return list(kinds)
    return None


def summary(lines):
    words = collections.Counter(line.split()[0] for line in lines if line.startswith('  '))
    shown = [line for line in lines if line.startswith('  display ') and 'luma' in line]
    return {'decoded': words['decode'], 'shown': len(shown),
            'single': sum('repeat=-1' in line for line in shown),
            'damaged': sum('status=2' not in line for line in shown),
            'refused': sum('result' in line for line in lines)}


def pictures(lines):
    return re.findall(r'luma=\w+ chroma=\w+', '\n'.join(lines))


def compare(name, expected, seen, problem):
    row = {'name': name, 'recorded': summary(expected), 'here': summary(seen),
           'same-pictures': sum(map(operator.eq, pictures(expected), pictures(seen)))}
    if problem:
        row['problem'] = problem
    row['differs-in'] = needed(expected, seen)
    if row['differs-in'] is None or row['differs-in']:
        difference = list(difflib.unified_diff(expected, seen, 'recorded', 'here', n=0, lineterm=''))
        row['differing-lines'] = sum(line[0] == '+' for line in difference[2:])
        row['difference'] = [line[:400] for line in difference[2:SHOWN]]
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('program', type=pathlib.Path)
    parser.add_argument('streams', type=pathlib.Path)
    parser.add_argument('answers', type=pathlib.Path)
    parser.add_argument('--record', action='store_true')
    parser.add_argument('--json', metavar='FILE', type=pathlib.Path)
    parser.add_argument('--traces', metavar='DIR', type=pathlib.Path)
    arguments = parser.parse_args()

    kept = arguments.answers if arguments.record else arguments.traces
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
    jobs = [(stream, way) for stream in sorted(arguments.streams.glob('*.h264')) for way in WAYS]
    if not jobs:
        sys.exit(f'no streams in {arguments.streams}')
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        traced = list(pool.map(lambda job: trace(arguments.program, *job), jobs))
    rows, problems = [], []
    for (stream, way), (lines, problem) in zip(jobs, traced):
        name = stream.stem + way
        if problem:
            problems.append(f'{name}: {problem}')
        if kept:
            (kept / f'{name}.trace').write_text('\n'.join(lines) + '\n')
        if not arguments.record:
            recorded = (arguments.answers / f'{name}.trace').read_text().splitlines()
            rows.append(compare(name, recorded, lines, problem))
    if arguments.record:
        sys.exit('\n'.join(problems) or 0)

    if len(problems) == len(jobs):  # a driver that cannot be asked; what it answers is never wrong
        sys.exit(problems[0])
    for row in rows:
        kinds = row['differs-in']
        if kinds != []:
            where = 'calls' if kinds is None else ', '.join(kinds)
            print(f'{row["name"]}: differs in {where}; {row["same-pictures"]} of '
                  f'{row["recorded"]["shown"]} pictures are the same', row.get('problem', ''))
    same = sum(row['differs-in'] == [] for row in rows)
    print(f'{same} of {len(rows)} as recorded')
    if arguments.json:
        arguments.json.write_text(json.dumps({'kind': 'fields', 'streams': rows}, indent=1) + '\n')


if __name__ == '__main__':
    main()
