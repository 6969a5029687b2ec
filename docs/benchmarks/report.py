#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes docs/benchmarks.md and docs/benchmarks/report.html from the results beside this script.

report.py                        writes both; the plots take gnuplot
report.py --check                exits 1 when benchmarks.md is not what the results say; no gnuplot
report.py --import FILE NAME     first unpacks results of tests/gpu/run (.tar.gz) to the folder NAME; those of
                                 one machine and day, made with --only in several runs, add up
report.py --timeline RUN OUT     draws one run (of the demo, or of the soak) as a page OUT

A folder of results holds JSON as tests/bench/run, tests/stress/soak and tests/gpu/run write it.
"""
import argparse
import base64
import difflib
import html
import json
import pathlib
import sys
import tarfile

from comparison import compared, comparison_bars, comparison_section
from plots import figures, need_gnuplot
from results import HERE, SIMULATED, folders, load, provenance, section

PAGE = HERE.parent / 'benchmarks.md'

STYLE = ('body{font:15px/1.5 sans-serif;max-width:1040px;margin:2em auto;padding:0 1em;color:#222}'
         'img{width:100%}figure{margin:1.5em 0}figcaption{color:#555;font-size:13px}'
         'h1,h2,h3{line-height:1.2}.simulated{color:#b3261e;font-weight:bold}'
         'pre{background:#f5f5f5;padding:1em;overflow:auto}')


def markdown():
    text = ('# Benchmarks\n\n'
            '<!-- Written by docs/benchmarks/report.py from docs/benchmarks/*/: change those. -->\n\n'
            'Measured by `tests/gpu/run` (`tests/run --gpu`); [report.html](benchmarks/report.html) has '
            'the plots.\nOn a machine without a GPU the same programs run on the simulated one '
            f'(`tests/bench/run`): *{SIMULATED}*.\n')
    text += '\n' + comparison_section()
    for folder in folders():
        text += f'\n## {folder.name}\n'
        for name, result in load(folder).items():
            text += '\n' + section(name, result)
    return text


# --- The page with the plots

def figcaption(title, machine):
    label = f'<span class="simulated">{SIMULATED}</span> · ' if machine['simulated'] else ''
    line = provenance({**machine, 'simulated': False})
    where, _, command = line.partition('`')
    return (f'<figcaption>{html.escape(title)} · {label}{html.escape(where)}'
            f'<code>{html.escape(command.rstrip("`"))}</code></figcaption>')


def picture(title, svg, captions):
    image = base64.b64encode(svg.encode()).decode()
    return (f'<figure><img alt="{html.escape(title)}" src="data:image/svg+xml;base64,{image}">'
            f'{captions}</figure>\n')


def figure(title, svg, machine):
    return picture(title, svg, figcaption(title, machine))


def page(title, body):
    return (f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f'<style>{STYLE}</style>\n<h1>{html.escape(title)}</h1>\n{body}</html>\n')


def report():
    body = '<p>Every figure comes from the JSON beside this page; the tables are in benchmarks.md.</p>\n'
    for title, svg in comparison_bars():
        machines = ''.join(figcaption(folder.name, machine) for folder, machine in compared())
        body += picture(title, svg, machines)
    for folder in folders():
        body += f'<h2>{html.escape(folder.name)}</h2>\n'
        for name, result in load(folder).items():
            drawn = ''.join(figure(title, svg, result['machine']) for title, svg in figures(result))
            if drawn:
                body += f'<h3>{html.escape(name)}</h3>\n{drawn}'
    return page('gst-cudacam: benchmarks', body)


def same_run(one, other):
    """Whether two results are of one machine, on one day."""
    keys = ('gpu', 'driver', 'gstreamer', 'simulated')
    return ([one['machine'][key] for key in keys] == [other['machine'][key] for key in keys]
            and one['machine']['date'][:10] == other['machine']['date'][:10])


def joined(before, tests):
    """The tests of a run in parts, each with `--only`: a part that is run again replaces the earlier one."""
    again = {row['part'] for row in tests['tests']}
    rows = [row for row in before['tests'] if row['part'] not in again] + tests['tests']
    counts = {outcome: sum(row['outcome'] == outcome for row in rows)
              for outcome in ('passed', 'failed', 'skipped')}
    return {**tests, **counts, 'tests': rows}


def unpack(archive, name):
    target = HERE / name
    target.mkdir(exist_ok=True)
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            if not member.isfile() or not member.name.endswith(('.json', '.txt')):
                continue
            path = target / pathlib.Path(member.name).name
            text = packed.extractfile(member).read().decode()
            if path.name == 'tests.json' and path.exists():
                before, tests = json.loads(path.read_text()), json.loads(text)
                if same_run(before, tests):
                    text = json.dumps(joined(before, tests), indent=1) + '\n'
            path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--import', dest='unpack', nargs=2, metavar=('FILE', 'NAME'))
    parser.add_argument('--timeline', nargs=2, metavar=('RUN', 'OUT'), type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.timeline:
        need_gnuplot()
        run = json.loads(arguments.timeline[0].read_text(encoding='utf-8'))
        body = ''.join(figure(title, svg, run['machine']) for title, svg in figures(run))
        arguments.timeline[1].write_text(page('gst-cudacam: a run', body), encoding='utf-8')
        return
    if arguments.unpack:
        unpack(*arguments.unpack)
    text = markdown()
    if arguments.check:
        there = PAGE.read_text(encoding='utf-8') if PAGE.exists() else ''
        sys.stdout.writelines(difflib.unified_diff(there.splitlines(True), text.splitlines(True),
                                                   str(PAGE), 'the results'))
        if there != text:
            sys.exit('benchmarks.md is stale: run docs/benchmarks/report.py.')
        return
    need_gnuplot()
    PAGE.write_text(text, encoding='utf-8')
    (HERE / 'report.html').write_text(report(), encoding='utf-8')


if __name__ == '__main__':
    main()
