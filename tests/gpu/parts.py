# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results of tests/gpu/run that were taken part by part."""

MACHINE = 'gpu', 'driver', 'gstreamer', 'simulated'


def same_machine(one, other):
    return [one[key] for key in MACHINE] == [other[key] for key in MACHINE]


def same_run(one, other):
    """Whether two results are of one machine, on one day."""
    return (same_machine(one['machine'], other['machine'])
            and one['machine']['date'][:10] == other['machine']['date'][:10])


def counts(rows):
    return {outcome: sum(row['outcome'] == outcome for row in rows)
            for outcome in ('passed', 'failed', 'skipped')}


def key(row):
    """Of a test, and of the cases in it: what is run and comes again together."""
    return row['part'], row['name'].split(':')[0]


def whole_parts(tests):
    """Results without "parts" are of whole parts."""
    return set(tests.get('parts', [row['part'] for row in tests['tests']]))


def whole(tests):
    """Whether all tests were run, whatever else."""
    return 'tests' in whole_parts(tests)


def joined(before, tests):
    """Both; what was run again replaces the earlier, a part that was run as a whole all of it."""
    parts = whole_parts(tests)
    again = {key(row) for row in tests['tests']}
    rows = [row for row in before['tests'] if row['part'] not in parts and key(row) not in again] + tests['tests']
    return {**tests, **counts(rows), 'parts': sorted(parts | whole_parts(before)), 'tests': rows}
