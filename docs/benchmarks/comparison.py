# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machines and versions side by side."""
from plots import bars
from results import (SIMULATED, VARIANTS, crowd, decode_rows, folders, load, milliseconds, number, provenance,
                     table, told)


class Missing(Exception):
    """A folder has no such result."""


def figures_of(results, name):
    try:
        return results[name]['figures']
    except KeyError:
        raise Missing from None


def at(value, *keys):
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            raise Missing
        value = value[key]
    return value


def decode(results, name, variant):
    """(frames/s, share of stock) with the most streams of that benchmark."""
    rows = [row for row in decode_rows(figures_of(results, name)) if row[1] == variant]
    if not rows:
        raise Missing
    return max(rows)[2:]


def decode_cell(results, name, variant):
    frames, share = decode(results, name, variant)
    return number(frames) if variant == 'stock' or share is None else f'{number(frames)} ({share:.3f})'


def variant_of(results, variant):
    for row in figures_of(results, 'outage')['variants']:
        if row['variant'] == variant:
            return row
    raise Missing


def wait_cell(results, variant):
    wait = variant_of(results, variant)['longest-wait-at-outage']
    figures = f'{milliseconds(wait and wait["p50"])} / {milliseconds(wait and wait["max"])}'
    return figures + (' (see its note)' if 'note' in results['outage'] else '')


def others_cell(results, variant):
    others = variant_of(results, variant)['intervals-of-others']
    return f'{milliseconds(others and told(others, "p99.9"))} / {milliseconds(others and others["max"])}'


def copy_cell(results):
    row = at(figures_of(results, 'copy'), '1080p')
    return ' / '.join(number(at(row, way, 'gpu')) for way in ('driver', 'kernels-1', 'kernels-16'))


def together_cell(results, load, *keys):
    row = at(figures_of(results, 'copy'), 'cameras', load)
    return ' / '.join(number(float(at(row, way, *keys))) for way in ('alone', 'together'))


def cost_cell(results):
    return number(at(figures_of(results, 'cost'), 'thread-us', 'pool-minus-stock'))


def instructions_cell(results):
    return number(at(figures_of(results, 'cost'), 'instructions', 'without-driver', 'pool-minus-stock'))


def hour_cell(results):
    found = figures_of(results, 'hour')
    return ' / '.join(f'{value / 2**20:g}' for value in (
        at(found, 'expected'), at(found, 'pool', 'first'), at(found, 'pool', 'last')))


def delays_cell(results, what):
    found = at(figures_of(results, 'reconnect-neighbours'), 'neighbours')
    return ' / '.join(number(at(found, name, what, 'completed', 'longest'))
                      for name in ('quiet', 'decoder_kept', 'decoder_made_anew'))


def lease_cell(results, key):
    return f'{at(figures_of(results, "lease"), "uncontended", key) / 1000:.1f}'


def crowd_cell(results, what, key):
    value = told(crowd(figures_of(results, 'lease'))[what], key)
    return number(value and value / 1000)


def neighbours_cell(results):
    found = at(figures_of(results, 'reconnect-neighbours'), 'neighbours')
    return ' / '.join(number(told(at(found, name, 'interval_ms'), 'p99.9'))
                      for name in ('quiet', 'decoder_kept', 'decoder_made_anew'))


def return_cell(results):
    found = at(figures_of(results, 'reconnect-return'), 'return', 'behind_bare_ms')
    return f'{number(at(found, "median"))} / {number(at(found, "longest"))}'


def soak_cell(results, name, what):
    return what(at(results, name, 'result'), at(results, name, 'options'))


def soaked(result, options):
    return (f'{options["cameras"]} x {options["readers"]}, {result["outages"]} outages: '
            f'{result["frames-verified"]}, {result["bad-frames"]}, {result["cuda-errors"]}'
            + ('' if result['held'] else ' (it did NOT hold)'))


def vram(result, options):
    spans = result['vram']
    if not spans:
        raise Missing
    return (f'{spans[-1]["first"] / 2**20:.0f} / {spans[-1]["last"] / 2**20:.0f} / '
            f'{max(span["max"] for span in spans) / 2**20:.0f}')


def tests_cell(results):
    return ', '.join(f'{at(results, "tests", key)} {key}' for key in ('passed', 'failed', 'skipped'))


def traces_cell(results):
    streams = at(results, 'traces', 'streams')
    return f'{streams - len(at(results, "traces", "differing"))} of {streams}'


ROWS = [
    ('decoder ! fakesink, most streams: frames/s', lambda r: decode_cell(r, 'decode-48', 'stock')),
    ('with cudacampool: frames/s (of stock)', lambda r: decode_cell(r, 'decode-48', 'pool')),
    ('with cudacamsink, 4 readers: frames/s (of stock)', lambda r: decode_cell(r, 'decode-48', 'sink')),
    ('16 streams, by hand: allocate, copy, wait, free (of stock)',
     lambda r: decode_cell(r, 'decode-16', 'own-copy')),
    ('FFmpeg h264_cuvid, 16 streams: frames/s',
     lambda r: number(at(figures_of(r, 'decode-ffmpeg'), 'frames-per-second'))),
    ("copy of a 1080p frame, us: the driver's / our kernel / 16 frames in one launch", copy_cell),
    ('16 threads that copy as fast as they can, frames/s: alone / sharing launches',
     lambda r: together_cell(r, 'flat-out-16', 'frames-per-second')),
    ('48 threads that copy at once, us until done, median: alone / sharing launches',
     lambda r: together_cell(r, 'at-once-48', 'complete', 'p50')),
    ('CPU cost of cudacampool, us a frame', cost_cell),
    ("the same, instructions a frame without the driver's", instructions_cell),
    ("108,000 frames, the pool's VRAM, MiB: expected / first / last", hour_cell),
    ('copy from another GPU', lambda r: at(figures_of(r, 'copy'), 'other-gpu')),
    ('lease, us: median', lambda r: lease_cell(r, 'median')),
    ('lease, many readers, us: p99', lambda r: crowd_cell(r, 'lease', 'p99')),
    ('push, many readers, us: p99', lambda r: crowd_cell(r, 'push', 'p99')),
    ('outage, longest wait, ms: median / max', lambda r: wait_cell(r, 'kept')),
    ('the same, stock pipeline to NULL and back', lambda r: wait_cell(r, 'stock')),
    ("outage, others' interval, ms: p99.9 / max", lambda r: others_cell(r, 'kept')),
    ('the same, stock pipeline to NULL and back', lambda r: others_cell(r, 'stock')),
    ("others' p99.9 interval, ms: quiet / reconnects / with a new decoder each", neighbours_cell),
    ("others' copies, longest, ms: quiet / reconnects / with a new decoder each",
     lambda r: delays_cell(r, 'copy_ms')),
    ("others' kernels, longest, ms: the same", lambda r: delays_cell(r, 'launch_ms')),
    ('first frame behind a bare rtspsrc, ms: median / longest', return_cell),
    ('soak, cameras x readers: frames verified, bad, CUDA errors',
     lambda r: soak_cell(r, 'soak-long', soaked)),
    ('the same, VRAM, MiB: first and last of the last minute / most', lambda r: soak_cell(r, 'soak-long', vram)),
    ('soak with many cameras', lambda r: soak_cell(r, 'soak-crowd', soaked)),
    ('soak with forgotten leases', lambda r: soak_cell(r, 'soak-forget', soaked)),
    ('tests', tests_cell),
    ('streams that the parser and the decoder answer as recorded', traces_cell),
]


def cell(results, what):
    try:
        return what(results)
    except Missing:
        return '-'


def compared():
    """(folder, a machine's description without one benchmark's command, from the first date to the last) of each
    folder."""
    for folder in folders():
        machines = [result['machine'] for result in load(folder).values()]
        dates = sorted({machine['date'] for machine in machines})
        date = dates[0] if len(dates) == 1 else f'{dates[0]} to {dates[-1]}'
        command = 'tests/bench/run' if machines[0]['simulated'] else 'tests/gpu/run'
        machine = {**machines[0], 'date': date, 'command': command}
        if len({one.get('version') for one in machines}) > 1:
            machine.pop('version', None)
        yield folder, machine


def comparison_section():
    text = '## Side by side\n\n'
    columns = []
    for folder, machine in compared():
        text += f'- **{folder.name}**: {provenance(machine)}\n'
        columns.append((f'{folder.name}: {SIMULATED}' if machine['simulated'] else folder.name, load(folder)))
    rows = [[title, *(cell(results, what) for _, results in columns)] for title, what in ROWS]
    return text + '\n' + table(['', *(title for title, _ in columns)],
                               [row for row in rows if set(row[1:]) != {'-'}])


def comparison_bars():
    """(title, SVG); what is simulated is no measurement and is not drawn beside any."""
    rows, variants = [], ['stock', 'pool', 'sink']
    for folder, machine in compared():
        if machine['simulated']:
            continue
        results = load(folder)
        try:
            rows.append((folder.name, *(decode(results, 'decode-48', variant)[0] for variant in variants)))
        except Missing:
            pass
    if rows:
        yield ('Frames a second, most streams, side by side',
               bars(rows, [VARIANTS[variant] for variant in variants], 'frames/s'))
