# SPDX-License-Identifier: LGPL-2.1-or-later
"""What came of each test and part: judged, said and kept."""
import json
import os
import re
import tarfile
import time

from parts import counts, joined, same_run
from processes import SKIPPED

LOGGED = 2**18  # characters of the output of what failed that are kept


class Report:
    """Counts, says and keeps the results of all parts."""

    def __init__(self, folder, pack, machine):
        self.folder, self.pack, self.machine = folder, pack, machine
        self.tests = []
        self.parts = []  # that ran to their end, all of them
        self.start = time.monotonic()
        (folder / 'logs').mkdir(parents=True, exist_ok=True)
        self.before = None
        if (folder / 'tests.json').exists():  # other parts, perhaps
            before = json.loads((folder / 'tests.json').read_text())
            self.before = before if same_run(before, {'machine': machine}) else None

    def add(self, part, name, outcome, seconds, output=''):
        words = [line for line in output.splitlines()
                 if line.strip() and 'XDG_RUNTIME_DIR' not in line]
        row = {'part': part, 'name': name, 'outcome': outcome, 'seconds': round(seconds, 2)}
        if outcome == 'failed':
            print(*words[-25:], sep='\n')
            row['output'] = words[-60:]
            self.log(f'{part}-{name.split(":")[0].replace(" ", "-")}').write_text(output[-LOGGED:])
        reason = words[-1] if words and outcome == 'skipped' else ''
        if reason:
            row['reason'] = reason
        self.tests.append(row)
        print(f'[{time.monotonic() - self.start:5.0f} s] {outcome:7} {part} / {name}'
              f' ({seconds:.1f} s) {reason}', flush=True)
        self.save()

    def log(self, name):
        return self.folder / 'logs' / f'{name}.log'

    def finish(self, part):
        """What was added of this part is all of it."""
        self.parts.append(part)
        self.save()

    def save(self):
        tests = {'kind': 'tests', 'machine': self.machine, **counts(self.tests), 'parts': self.parts,
                 'tests': self.tests}
        if self.before:
            tests = joined(self.before, tests)
        new = self.folder / 'tests.json.new'
        new.write_text(json.dumps(tests, indent=1) + '\n')
        new.replace(self.folder / 'tests.json')
        if self.pack:
            with tarfile.open(f'{self.pack}.new', 'w:gz') as archive:
                archive.add(self.folder, 'results', filter=lambda file: None if file.name.endswith('.new') else file)
            os.replace(f'{self.pack}.new', self.pack)


def tap_outcome(status, output):
    """A program that speaks TAP ends with status 0 whatever it found."""
    planned = re.search(r'^1\.\.(\d+)', output, re.M)
    results = re.findall(r'^(not ok|ok)\b', output, re.M)
    if status == 0 and (not planned or 'not ok' in results or len(results) != int(planned[1])):
        return 'failed'
    return outcome(status)


def outcome(status):
    return {0: 'passed', SKIPPED: 'skipped'}.get(status, 'failed')
