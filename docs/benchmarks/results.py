# SPDX-License-Identifier: LGPL-2.1-or-later
"""The results beside this, and what they say in words and tables."""
import json
import math
import pathlib
import statistics

HERE = pathlib.Path(__file__).resolve().parent
SIMULATED = 'simulated, not a measurement'

VARIANTS = {
    'stock': 'decoder ! fakesink', 'pool': 'decoder ! cudacampool ! fakesink',
    'sink': 'decoder ! cudacampool ! cudacamsink, 4 readers',
    'copied': 'the same as pool, frames copied into slots',
    'own-copy': 'by hand: allocate, copy, wait, free',
    'quiet': 'no outage', 'kept': 'gst-cudacam',
    'recreated': 'gst-cudacam, decoder made anew each time',
}
UNITS = {'cost': 'Times in us a frame; what only the pool does is pool-minus-stock.',
         'copy': 'Times in us; of one thread a frame, of cameras a copy.',
         'hour': 'Memory in bytes.', 'lease': 'Times in ns.',
         'reconnect-dead': 'CPU time in percent of a core.',
         'reconnect-neighbours': 'Times in ms.', 'reconnect-return': 'Times in ms.'}
OUTAGE_STOCK = 'stock: pipeline to NULL and back'


def load(folder):
    return {path.stem: json.loads(path.read_text(encoding='utf-8'))
            for path in sorted(folder.glob('**/*.json'))}


def folders():
    return sorted(path for path in HERE.iterdir() if path.is_dir() and any(path.glob('**/*.json')))


def provenance(machine):
    """One line for every table and figure."""
    words = [machine['gpu'], f'driver {machine["driver"]}', machine['gstreamer'], machine['date']]
    words += [f'gst-cudacam {machine["version"]}'] if 'version' in machine else []
    label = f'**{SIMULATED}** · ' if machine['simulated'] else ''
    return f'{label}{" · ".join(words)} · `{machine["command"]}`'


def number(value):
    return '-' if value is None else f'{value:.0f}' if value >= 100 else f'{value:.3g}'


def table(head, rows):
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows]) + '\n'


NEEDED = {'p99': 100, 'p99.9': 1000}


def told(row, key):
    """A figure; None for a percentile of so few values that it is their longest."""
    return None if row.get('count', math.inf) < NEEDED.get(key, 0) else row[key]


def milliseconds(seconds):
    return '-' if seconds is None else f'{seconds * 1000:.1f}'


def seconds(value):
    return '-' if value is None else f'{value:.3f} s'


def decode_rows(figures):
    """[streams, variant, frames/s, share of stock]: medians over the rounds. In each the variants took turns."""
    rounds = {(row['streams'], row['variant']): row['frames'] for row in figures['frames-per-second']}

    def share(streams, frames):
        stock = rounds.get((streams, 'stock'))
        return stock and statistics.median(own / theirs for own, theirs in zip(frames, stock))

    return [(streams, variant, statistics.median(frames), share(streams, frames))
            for (streams, variant), frames in rounds.items()]


def crowd(figures):
    """What many readers do to each other, of bench-lease, which once measured one load only."""
    contended = figures['contended']
    if 'sinks' not in contended:
        return {'lease': contended['lease'], 'push': contended['push']}
    load = contended['sinks']['paced']
    return {'lease': load['lease'], 'push': load['publish']}


def value_of(value):
    return '-' if value is None else number(value) if isinstance(value, float) else str(value)


FEWEST_ROWS = 3  # else a list reads better


def plain_tables(figures):
    """Nested figures: what has the same columns in one table; single ones, beside others that are nested, in a list
    or, where many have the same, in a table as well."""
    single, tables = {}, {}

    def walk(path, found):
        nested = {key: value for key, value in found.items() if isinstance(value, dict)}
        own = {key: value_of(told(found, key)) for key in found if key not in nested}
        if own:
            into = single if nested or not path else tables
            into.setdefault(tuple(own), []).append([path, *own.values()])
        for key, value in nested.items():
            walk(f'{path} {key}'.strip(), value)

    walk('', figures)
    lines = [f'{path} {key}: {value}'.strip() for columns, rows in single.items() if len(rows) < FEWEST_ROWS
             for path, *values in rows for key, value in zip(columns, values)]
    tables.update((columns, rows) for columns, rows in single.items() if len(rows) >= FEWEST_ROWS)
    text = ''.join(f'- {line}\n' for line in lines) + ('\n' if lines and tables else '')
    return text + '\n'.join(table(['', *columns], rows) for columns, rows in tables.items())


def bench_section(name, result):
    text = f'### {name}\n\n{provenance(result["machine"])}\n\n'
    if 'note' in result:
        text += f'{result["note"]}\n\n'
    if 'figures' not in result:
        return text + (f'FAILED: {result["failed"]}\n' if 'failed' in result else f'{result["skipped"]}\n')
    figures = result['figures']
    if 'frames-per-second' in figures and isinstance(figures['frames-per-second'], list):
        rounds = max(len(row['frames']) for row in figures['frames-per-second'])
        text += f'{figures["width"]}x{figures["height"]} H.264, frames a second of all streams together, ' + (
            f'medians of {rounds} rounds in which they take turns' if rounds > 1 else 'one round') + ':\n\n'
        return text + table(['streams', 'what', 'frames/s', 'of stock'], [
            [str(streams), f'{variant}: {VARIANTS.get(variant, "")}', number(value),
             '-' if share is None else f'{share:.3f}']
            for streams, variant, value, share in decode_rows(figures)])
    if 'variants' in figures:
        text += f'{figures["cameras"]} cameras, {figures["width"]}x{figures["height"]} at ' \
                f'{figures["fps"]} frames/s; one of them is disconnected every ' \
                f'{figures["every"]:g} s. Times in ms:\n\n'
        rows = []
        for row in figures['variants']:
            variant = row['variant']
            wait, others = row['longest-wait-at-outage'], row['intervals-of-others']
            rows.append([OUTAGE_STOCK if variant == 'stock' else VARIANTS.get(variant, variant),
                         str(row['outages']),
                         *(milliseconds(wait and wait[key]) for key in ('p50', 'max')),
                         *(milliseconds(others and told(others, key)) for key in ('p50', 'p99', 'p99.9',
                                                                                  'max'))])
        return text + table(['what', 'outages', 'its longest wait, median', 'max', "others' interval, p50", 'p99',
                             'p99.9', 'max'], rows)
    if name in UNITS:
        text += f'{UNITS[name]}\n\n'
        figures = {key: value for key, value in figures.items() if key != 'unit'}
    return text + plain_tables(figures)


def soak_section(name, run):
    result = run['result']
    options, beyond = run['options'], result['beyond-outage']
    rows = [
        ['held', 'yes' if result['held'] else 'NO: ' + '; '.join(result['complaints'])],
        ['cameras, readers each, picture', f'{options["cameras"]}, {options["readers"]}, '
                                           f'{options["width"]}x{options["height"]} at '
                                           f'{options["fps"]} frames/s'],
        ['time', f'{result["seconds"]:.0f} s'],
        ['frames in', result['memory']],
        ['outages, connections, decoders made',
         f'{result["outages"]}, {result["connections"]}, {result["decoders"]}'],
        ['frames verified', str(result['frames-verified'])],
        ['bad frames', str(result['bad-frames'])],
        ['CUDA errors', str(result['cuda-errors'])],
        ["readers' gaps beyond the outage: how many, p50, p99, max",
         ', '.join([str(beyond['count']), *(seconds(told(beyond, key)) for key in ('p50', 'p99', 'max'))])],
        ['longest gap without an outage', f'{result["longest-interval"]:.3f} s'],
    ]
    rows += [[f'{what}: second quarter, at the end',
              f'{value["before"]}, {value["after"]}' if value['before'] < 10**5 else
              f'{value["before"] / 2**20:.1f} MiB, {value["after"] / 2**20:.1f} MiB']
             for what, value in result['growth'].items()]
    rows += [[f'VRAM from {span["begin"]:.0f} s: first, last, max',
              ', '.join(f'{span[key] / 2**20:.1f} MiB' for key in ('first', 'last', 'max'))]
             for span in result['vram']]
    if result['forgotten']['leases']:
        rows.append(['leases forgotten, reported overdue, changed',
                     ', '.join(str(result['forgotten'][key])
                               for key in ('leases', 'overdue', 'changed'))])
    return f'### {name}\n\n{provenance(run["machine"])}\n\n' + table(['', ''], rows)


def tests_section(result):
    text = f'### tests\n\n{provenance(result["machine"])}\n\n' \
           f'{result["passed"]} passed, {result["failed"]} failed, {result["skipped"]} skipped.\n'
    rows = [[row['outcome'], f'{row["part"]} / {row["name"]}', row.get('reason', '')]
            for row in result['tests'] if row['outcome'] != 'passed']
    return text + ('\n' + table(['', 'test', 'reason'], rows) if rows else '')


def traces_section(result):
    differing = result['differing']
    text = f'### traces\n\n{provenance(result["machine"])}\n\n{result["streams"] - len(differing)} of ' \
           f'{result["streams"]} streams are answered by the parser and the decoder as recorded.\n'
    return text + (f'\nOthers: {", ".join(differing)}.\n' if differing else '')


def section(name, result):
    if result['kind'] == 'traces':
        return traces_section(result)
    if result['kind'] == 'run' and 'result' in result:
        return soak_section(name, result)
    if result['kind'] == 'tests':
        return tests_section(result)
    return bench_section(name, result)
