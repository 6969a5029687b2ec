#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""report.py PROJECT SOAK: docs/benchmarks.md says what the committed results say; and a run of the
soak is drawn (skipped without gnuplot). SOAK: the command that makes the run."""
import html
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77

project, soak = pathlib.Path(sys.argv[1]), sys.argv[2:]
script = project / 'docs/benchmarks/report.py'
subprocess.run([sys.executable, script, '--check'], check=True)


def results_of_parts_add_up():
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(script.parent))
    import report

    def run(date, *rows):
        machine = {'gpu': 'G', 'driver': '1', 'gstreamer': '1.22', 'simulated': False, 'date': f'{date} 10:00 UTC'}
        return {'machine': machine, 'passed': 9, 'failed': 9, 'skipped': 9,
                'tests': [{'part': part, 'name': name, 'outcome': outcome} for part, name, outcome in rows]}
    first = run('2026-01-01', ('tests', 'a', 'passed'), ('tests', 'b', 'failed'), ('bench', 'all', 'passed'))
    again = run('2026-01-01', ('tests', 'b', 'passed'), ('soak', 'long', 'skipped'))
    both = report.joined(first, again)
    assert [row['name'] for row in both['tests']] == ['all', 'b', 'long'], both
    assert (both['passed'], both['failed'], both['skipped']) == (2, 0, 1), both
    assert report.same_run(first, again) and not report.same_run(first, run('2026-01-02'))


results_of_parts_add_up()
if not shutil.which('gnuplot'):
    print('skipped: no gnuplot here')
    sys.exit(SKIPPED)
with tempfile.TemporaryDirectory() as folder:
    run, page = pathlib.Path(folder) / 'run.json', pathlib.Path(folder) / 'page.html'
    subprocess.run([*soak, '--json', run], check=True)
    subprocess.run([sys.executable, script, '--timeline', run, page], check=True)
    text = page.read_text()
    machine = json.loads(run.read_text())['machine']
    pictures = re.findall(r'<figure>.*?</figure>', text, re.DOTALL)
    assert len(pictures) == 2, f'{len(pictures)} pictures'
    for picture in pictures:
        for field in ('gpu', 'driver', 'gstreamer', 'date'):
            assert machine[field] in picture, f'no {field} under a picture'
        assert machine['command'] in html.unescape(picture), 'no command under a picture'
        assert ('simulated, not a measurement' in picture) == machine['simulated']
