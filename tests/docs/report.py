#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""report.py PROJECT SOAK: docs/benchmarks.md and report.html say what the committed results say; and a run of the
soak is drawn (the last two skipped without gnuplot). SOAK: the command that makes the run."""
import html
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

SKIPPED = 77

project, soak = pathlib.Path(sys.argv[1]), sys.argv[2:]
script = project / 'docs/benchmarks/report.py'
subprocess.run([sys.executable, script, '--check'], check=True)


sys.dont_write_bytecode = True
sys.path.insert(0, str(script.parent))
import report  # noqa: E402
import results  # noqa: E402


def machine(date, gpu='G'):
    return {'gpu': gpu, 'driver': '1', 'gstreamer': '1.22', 'simulated': False, 'date': f'{date} 10:00 UTC',
            'command': 'test'}


def refused(*arguments):
    try:
        report.take(*arguments)
    except SystemExit as refusal:
        return str(refusal)
    return ''


def results_of_parts_add_up():
    """Taken as a folder and packed; never mixed with another machine's."""
    def write(folder, date, gpu, *rows, parts=()):
        (folder / 'bench').mkdir(parents=True)
        tests = [{'part': part, 'name': name, 'outcome': outcome} for part, name, outcome in rows]
        (folder / 'tests.json').write_text(json.dumps(
            {'kind': 'tests', 'machine': machine(date, gpu), 'parts': parts, 'tests': tests}))
        (folder / 'bench/lease.json').write_text(json.dumps({'kind': 'bench', 'machine': machine(date, gpu)}))
        return folder

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        target = folder / 'taken'
        report.take(write(folder / '1', '2026-01-01', 'G', ('tests', 'a', 'passed'), ('tests', 'b', 'failed')), target)
        packed = folder / 'packed.tar.gz'
        with tarfile.open(packed, 'w:gz') as archive:
            archive.add(write(folder / '2', '2026-01-01', 'G', ('tests', 'b', 'passed')), 'results')
        report.take(packed, target)
        tests = json.loads((target / 'tests.json').read_text())
        assert (tests['passed'], tests['failed']) == (2, 0) and (target / 'lease.json').exists(), tests
        other = write(folder / '3', '2026-01-01', 'another', ('tests', 'a', 'failed'))
        assert 'another machine' in refused(other, target)
        assert json.loads((target / 'tests.json').read_text()) == tests
        report.take(write(folder / '4', '2026-01-02', 'G', ('bench', 'lease', 'passed'), parts=['bench']), target)
        assert json.loads((target / 'tests.json').read_text()) == tests
        assert json.loads((target / 'lease.json').read_text())['machine']['date'].startswith('2026-01-02')
        report.take(write(folder / '5', '2026-01-03', 'G', ('tests', 'c', 'passed'), parts=['tests']), target)
        assert [row['name'] for row in json.loads((target / 'tests.json').read_text())['tests']] == ['c']
        (folder / 'nothing').mkdir()
        assert 'holds no results' in refused(folder / 'nothing', target)


def what_was_not_measured_replaces_no_measurement():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)

        def take(name, **result):
            (folder / 'found').mkdir(exist_ok=True)
            (folder / f'found/{name}.json').write_text(json.dumps({'machine': machine('2026-01-01'), **result}))
            report.take(folder / 'found', folder / 'taken')
            shutil.rmtree(folder / 'found')
            return json.loads((folder / f'taken/{name}.json').read_text())

        take('soak-long', kind='run', result={'interrupted': False, 'seconds': 480})
        take('lease', kind='bench', figures={'median': 1})
        (folder / 'found').mkdir()
        cut = {'kind': 'run', 'machine': machine('2026-01-02'), 'result': {'interrupted': True, 'seconds': 3}}
        (folder / 'found/soak-long.json').write_text(json.dumps(cut))
        kept = take('lease', kind='bench', figures={'median': 2})
        assert kept['figures'] == {'median': 2}, kept
        assert json.loads((folder / 'taken/soak-long.json').read_text())['result']['seconds'] == 480
        (folder / 'found').mkdir()
        (folder / 'found/lease.json').write_text(json.dumps(
            {'kind': 'bench', 'machine': machine('2026-01-02'), 'skipped': 'not built here'}))
        assert 'holds no results' in refused(folder / 'found', folder / 'taken')
        assert 'figures' in json.loads((folder / 'taken/lease.json').read_text())
        # What failed is a finding.
        assert 'figures' not in take('lease', kind='bench', failed='exit status 1')


def folders_of_the_machine_are_refused():
    for command in ('/usr/bin/soak', 'soak --json /tmp/r/run.json', 'soak --json=/run.json', 'soak ~/run.json',
                    'test --results ../results'):
        assert report.MACHINE_PATH.search(command), command
    for command in ('soak --minutes 0.5 --json run.json', 'tests/bench/run', 'demo --location=rtsp://...', 'copy 1/2'):
        assert not report.MACHINE_PATH.search(command), command
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / 'rtx/soak.json'
        result.parent.mkdir()
        result.write_text(json.dumps({'machine': {**machine('2026-01-01'), 'command': 'soak --json /tmp/run.json'}}))
        try:
            results.HERE, there = pathlib.Path(folder), results.HERE
            assert report.machine_paths() == ['rtx/soak: soak --json /tmp/run.json'], report.machine_paths()
        finally:
            results.HERE = there


def the_tail_of_few_values_is_left_out():
    assert results.told({'count': 99, 'p99': 5}, 'p99') is None
    assert results.told({'count': 100, 'p99': 5, 'longest': 6}, 'p99') == 5
    assert '| few | 50 | 1 | - |' in results.plain_tables({'few': {'count': 50, 'median': 1.0, 'p99': 7.0}})


def shares_are_of_the_same_round():
    rows = [{'streams': 4, 'variant': 'stock', 'frames': [100.0, 200.0, 300.0]},
            {'streams': 4, 'variant': 'pool', 'frames': [50.0, 100.0, 300.0]}]
    assert results.decode_rows({'frames-per-second': rows}) == [(4, 'stock', 200.0, 1.0), (4, 'pool', 100.0, 0.5)]


results_of_parts_add_up()
what_was_not_measured_replaces_no_measurement()
folders_of_the_machine_are_refused()
the_tail_of_few_values_is_left_out()
shares_are_of_the_same_round()
if not shutil.which('gnuplot'):
    print('skipped: no gnuplot here')
    sys.exit(SKIPPED)


def without_pictures(text):
    """Versions of gnuplot draw the same in other words."""
    return re.sub(r'src="data:[^"]*"', '', text)


there = (project / 'docs/benchmarks/report.html').read_text(encoding='utf-8')
assert without_pictures(report.report()) == without_pictures(there), 'report.html is stale: run docs/benchmarks/report.py.'
with tempfile.TemporaryDirectory() as folder:
    run, page = pathlib.Path(folder) / 'run.json', pathlib.Path(folder) / 'page.html'
    subprocess.run([*soak, '--json', run], check=True)
    subprocess.run([sys.executable, script, '--timeline', run, page], check=True)
    text = page.read_text()
    of_run = json.loads(run.read_text())['machine']
    pictures = re.findall(r'<figure>.*?</figure>', text, re.DOTALL)
    assert len(pictures) == 2, f'{len(pictures)} pictures'
    for picture in pictures:
        for field in ('gpu', 'driver', 'gstreamer', 'date'):
            assert of_run[field] in picture, f'no {field} under a picture'
        assert of_run['command'] in html.unescape(picture), 'no command under a picture'
        assert ('simulated, not a measurement' in picture) == of_run['simulated']
