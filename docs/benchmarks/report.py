#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes docs/benchmarks.md and docs/benchmarks/report.html from the results beside this script.

report.py                        writes both; the plots take gnuplot
report.py --check                exits 1 when benchmarks.md is not what the results say, or a recorded command
                                 names folders of the machine; no gnuplot
report.py --import RESULTS NAME  first takes results of tests/gpu/run (the folder, or what --pack made of it) into
                                 the folder NAME, which is of one machine; those of one day, made with --only in
                                 several runs, add up
report.py --timeline RUN OUT     draws one run (of the demo, or of the soak) as a page OUT

A folder of results holds JSON as tests/bench/run, tests/stress/soak and tests/gpu/run write it.
"""
import argparse
import base64
import difflib
import html
import json
import pathlib
import re
import sys
import tarfile

from comparison import compared, comparison_bars, comparison_section
from plots import figures, need_gnuplot
from results import HERE, SIMULATED, folders, load, provenance, section

sys.path.append(str(HERE.parents[1] / 'tests/gpu'))
from parts import joined, same_machine, same_run, whole  # noqa: E402

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
            f'(`tests/run --gpu --nvsim`, `tests/bench/run`): *{SIMULATED}*.\n'
            'A percentile is given only of so many values that some lie beyond it: p99 of 100, p99.9 of 1000.\n')
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


def files_of(results):
    """{name: text} of what a run found, a folder or packed."""
    wanted = '.json', '.txt'
    if pathlib.Path(results).is_dir():
        return {path.name: path.read_text() for path in pathlib.Path(results).rglob('*') if path.suffix in wanted}
    with tarfile.open(results) as packed:
        return {pathlib.Path(member.name).name: packed.extractfile(member).read().decode()
                for member in packed.getmembers() if member.isfile() and member.name.endswith(wanted)}


def why_not(result, before):
    """'' for what is worth more than the result that is there, if any."""
    if result.get('result', {}).get('interrupted'):
        return 'was interrupted'
    if 'figures' not in result and 'skipped' in result and 'figures' in before:
        return f'was skipped ({result["skipped"]}), and the figures of {before["machine"]["date"]} stay'
    if result['kind'] == 'tests' and before and not same_run(before, result) and not whole(result):
        return f'tells of some parts alone, and the tests of {before["machine"]["date"]} stay'
    return ''


def take(results, target):
    """Adds them to the folder `target`."""
    files = files_of(results)
    found = {name: json.loads(text) for name, text in files.items() if name.endswith('.json')}
    there = load(target) if target.is_dir() else {}
    for name in list(found):
        reason = why_not(found[name], there.get(pathlib.Path(name).stem, {}))
        if reason:
            print(f'{name} is not taken: it {reason}.')
            del found[name], files[name]
    if not found:
        sys.exit(f'{results} holds no results.')
    for name, result in found.items():
        for other in there.values():
            if not same_machine(result['machine'], other['machine']):
                sys.exit(f'{name} is of another machine than what is in {target}:\n'
                         f'{provenance(result["machine"])}\n{provenance(other["machine"])}\n'
                         'Give it a folder of its own.')
    tests = found.get('tests.json')
    if tests and 'tests' in there and same_run(there['tests'], tests):
        files['tests.json'] = json.dumps(joined(there['tests'], tests), indent=1) + '\n'
    target.mkdir(exist_ok=True)
    for name, text in files.items():
        (target / name).write_text(text)


# A word that begins with a folder, also as the value of an option; an address (rtsp://...) is none.
MACHINE_PATH = re.compile(r'(?:^|[\s=:\'"])(?:/(?!/)|~|\.\./)')


def machine_paths():
    """Results whose recorded command names folders of the machine."""
    return [f'{folder.name}/{name}: {result["machine"]["command"]}' for folder in folders()
            for name, result in load(folder).items() if MACHINE_PATH.search(result['machine']['command'])]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--import', dest='unpack', nargs=2, metavar=('RESULTS', 'NAME'))
    parser.add_argument('--timeline', nargs=2, metavar=('RUN', 'OUT'), type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.timeline:
        need_gnuplot()
        run = json.loads(arguments.timeline[0].read_text(encoding='utf-8'))
        body = ''.join(figure(title, svg, run['machine']) for title, svg in figures(run))
        arguments.timeline[1].write_text(page('gst-cudacam: a run', body), encoding='utf-8')
        return
    if arguments.unpack:
        take(arguments.unpack[0], HERE / arguments.unpack[1])
    text = markdown()
    named = machine_paths()
    if named:
        sys.exit('\n'.join(['Recorded commands name folders of a machine:', *named]))
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
