#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes docs/benchmarks.md and docs/benchmarks/report.html from the results beside this script.

report.py                        writes both; the plots take gnuplot
report.py --check                exits 1 when benchmarks.md is not what the results say; no gnuplot
report.py --import FILE NAME     first unpacks results of tests/gpu/run (.tar.gz) to the folder NAME
report.py --timeline RUN OUT     draws one run (of the demo, or of the soak) as a page OUT

A folder of results holds JSON as tests/bench/run, tests/stress/soak and tests/gpu/run write it.
"""
import argparse
import base64
import difflib
import html
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent / 'benchmarks.md'

STATUS = {'streaming': '#2a9d5c', 'waiting-first-frame': '#9bc53d', 'connecting': '#e9c46a',
          'closing': '#f4a261', 'backoff': '#e76f51', 'failed': '#9e2a2b', 'stopped': '#888888'}
LINES = ['#1d6fb8', '#d1495b', '#2a9d5c', '#b07aa1', '#e08e45', '#4f8a8b', '#7d5ba6', '#8c6d31']
SIMULATED = 'simulated, not a measurement'

VARIANTS = {
    'stock': 'decoder ! fakesink', 'pool': 'decoder ! cudacampool ! fakesink',
    'sink': 'decoder ! cudacampool ! cudacamsink, 4 readers',
    'copied': 'the same as pool, frames copied into slots',
    'own-copy': 'by hand: allocate, copy, wait, free',
    'quiet': 'no outage', 'kept': 'gst-cudacam',
    'recreated': 'gst-cudacam, decoder made anew each time',
}
OUTAGE_STOCK = 'stock: pipeline to NULL and back'


# --- What the results say ---------------------------------------------------------------------

def load(folder):
    return {path.stem: json.loads(path.read_text(encoding='utf-8'))
            for path in sorted(folder.glob('**/*.json'))}


def folders():
    return sorted(path for path in HERE.iterdir() if path.is_dir() and any(path.glob('**/*.json')))


def provenance(machine):
    """One line for every table and figure."""
    words = [machine['gpu'], f'driver {machine["driver"]}', machine['gstreamer'], machine['date']]
    label = f'**{SIMULATED}** · ' if machine['simulated'] else ''
    return f'{label}{" · ".join(words)} · `{machine["command"]}`'


def number(value):
    return '-' if value is None else f'{value:.0f}' if value >= 100 else f'{value:.3g}'


def table(head, rows):
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows]) + '\n'


def milliseconds(seconds):
    return '-' if seconds is None else f'{seconds * 1000:.1f}'


def decode_rows(figures):
    """[streams, variant, best, share of stock]"""
    rows = figures['frames-per-second']
    best = {(row['streams'], row['variant']): max(row['frames']) for row in rows}
    return [(streams, variant, value, value / best[streams, 'stock'] if best.get((streams, 'stock'))
             else None) for (streams, variant), value in best.items()]


def bench_section(name, result):
    text = f'### {name}\n\n{provenance(result["machine"])}\n\n'
    if 'figures' not in result:
        return text + f'{result["skipped"]}\n'
    figures = result['figures']
    if 'frames-per-second' in figures and isinstance(figures['frames-per-second'], list):
        text += f'{figures["width"]}x{figures["height"]} H.264, frames a second of all streams ' \
                'together, the best of all rounds:\n\n'
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
                         *(milliseconds(wait and wait[key]) for key in ('p50', 'max')),
                         *(milliseconds(others and others[key]) for key in ('p50', 'p99', 'p99.9',
                                                                            'max'))])
        return text + table(['what', 'its longest wait, median', 'max', "others' interval, p50", 'p99',
                             'p99.9', 'max'], rows)
    return text + '```json\n' + json.dumps(figures, indent=1) + '\n```\n'


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
        ["readers' gaps beyond the outage: p50, p99, max",
         ', '.join(f'{beyond[key]:.3f} s' for key in ('p50', 'p99', 'max'))],
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


def section(name, result):
    if result['kind'] == 'run' and 'result' in result:
        return soak_section(name, result)
    if result['kind'] == 'tests':
        return tests_section(result)
    return bench_section(name, result)


def markdown():
    text = ('# Benchmarks\n\n'
            '<!-- Written by docs/benchmarks/report.py from docs/benchmarks/*/: change those. -->\n\n'
            'Measured by `tests/gpu/run` (`tests/run --gpu`); [report.html](benchmarks/report.html) has '
            'the plots.\nOn a machine without a GPU the same programs run on the simulated one '
            f'(`tests/bench/run`): *{SIMULATED}*.\n')
    for folder in folders():
        text += f'\n## {folder.name}\n'
        for name, result in load(folder).items():
            text += '\n' + section(name, result)
    return text


# --- Plots ------------------------------------------------------------------------------------

def gnuplot(commands, width, height):
    """SVG of a gnuplot program."""
    program = (f'set terminal svg size {width},{height} font "sans-serif,12" background "#ffffff"\n'
               'set grid back lc rgb "#dddddd" lt 1\nset border 3 lc rgb "#777777"\n'
               'set tics nomirror\nset key outside top right horizontal\n' + commands)
    done = subprocess.run(['gnuplot', '-'], input=program, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'gnuplot: {done.stderr}')
    return done.stdout


def block(name, rows):
    """An inline data block of gnuplot."""
    lines = '\n'.join(' '.join(f'"{value}"' if isinstance(value, str) else repr(value)
                               for value in row) for row in rows)
    return f'${name} << EOD\n{lines}\nEOD\n'


def color(name):
    return int(STATUS.get(name, '#888888')[1:], 16)


def status_spans(camera, end):
    """(begin, end, color) of each status."""
    changes = camera['status']
    ends = [change[0] for change in changes[1:]] + [end]
    return [(change[0], until, color(change[1])) for change, until in zip(changes, ends)]


def rates(samples):
    """Frames a second between samples."""
    return [(at, (count - before) / (at - earlier))
            for (earlier, before), (at, count) in zip(samples, samples[1:]) if at > earlier]


def timeline(run):
    """Status and outages of each camera, frames a second, leases, VRAM, over time."""
    log = run['log']
    cameras, process = log['cameras'], log['process']
    end = max([row['t'] for row in process] +
              [sample[0] for camera in cameras for sample in camera['frames']] + [1])
    strip = 60 + 24 * len(cameras)
    panels = 3 + any('vram' in row for row in process)
    height = strip + 150 * (panels - 1)
    data, spans, outages = '', [], []
    for i, camera in enumerate(cameras):
        y = len(cameras) - i
        spans += [(begin, y, begin, until, y - 0.32, y + 0.4, rgb)
                  for begin, until, rgb in status_spans(camera, end)]
        outages += [(outage['begin'], y, outage['begin'],
                     max(outage.get('end', end), outage['begin'] + end / 400), y - 0.48, y - 0.36)
                    for outage in camera['outages']]
        data += block(f'rate{i}', rates(camera['frames']) or [(0, 0)])
        data += block(f'lease{i}', camera['leases'] or [(0, 0)])
    data += block('spans', spans or [(0, 0, 0, 0, 0, 0, 0)])
    data += block('outages', outages or [(0, 0, 0, 0, 0, 0)])
    names = ', '.join(f'"{camera["name"]}" {len(cameras) - i}' for i, camera in enumerate(cameras))
    key = ', '.join(f'keyentry with boxes fill solid noborder fc rgb "{rgb}" title "{name}"'
                    for name, rgb in STATUS.items()
                    if any(name == change[1] for camera in cameras for change in camera['status']))

    def panel(top, size, label, plot):
        return (f'set size 1,{size / height}\nset origin 0,{1 - (top + size) / height}\n'
                f'set ylabel "{label}"\n{plot}\n')

    def lines(what, style):
        titles = [f'title "{camera["name"]}"' if len(cameras) <= 4 else 'notitle'
                  for camera in cameras]
        return 'plot ' + ', '.join(
            f'${what}{i} using 1:2 with {style} lw 1.2 lc rgb "{LINES[i % len(LINES)]}" {titles[i]}'
            for i in range(len(cameras)))

    commands = data + (
        f'set multiplot\nset lmargin 12\nset rmargin 3\nset xrange [0:{end}]\n'
        f'set yrange [0.4:{len(cameras) + 0.6}]\nset ytics ({names})\n'
        'set style fill solid noborder\n')
    commands += panel(0, strip, '', 'plot $spans using 1:2:3:4:5:6:7 with boxxyerror lc rgb variable '
                      'notitle, $outages with boxxyerror lc rgb "#222222" title "camera away", ' + key)
    commands += 'set ytics auto\nset yrange [0:*]\n'
    top = strip
    commands += panel(top, 150, 'frames/s', lines('rate', 'lines'))
    commands += panel(top + 150, 150, 'leases out', lines('lease', 'steps'))
    if panels == 4:
        vram = [(row['t'], row['vram'] / 2**20) for row in process if 'vram' in row]
        commands += 'set xlabel "seconds"\n' + block('vram', vram) + panel(
            top + 300, 150, 'VRAM, MiB',
            f'plot $vram using 1:2 with lines lw 1.5 lc rgb "{LINES[0]}" notitle')
    return gnuplot(commands + 'unset multiplot\n', 1000, height)


def histogram(run):
    """Intervals between a reader's frames, outages left out."""
    intervals = run['result']['intervals']
    data, plots = '', []
    for i, counts in enumerate(intervals['readers']):
        rows = [(low * 1000, count) for low, count in zip(intervals['bins'], counts) if count]
        data += block(f'reader{i}', rows or [(1, 0)])
        plots.append(f'$reader{i} using 1:2 with linespoints pt 7 ps 0.5 lw 1.3 '
                     f'lc rgb "{LINES[i % len(LINES)]}" title "reader {i + 1}"')
    return gnuplot(data + 'set logscale xy\nset xlabel "interval, ms (bins, ten a decade)"\n'
                   'set ylabel "frames"\nset yrange [0.8:*]\nplot ' + ', '.join(plots) + '\n', 1000, 320)


def decode_bars(result):
    rows = decode_rows(result['figures'])
    streams = sorted({row[0] for row in rows})
    variants = list(dict.fromkeys(row[1] for row in rows))
    values = {(row[0], row[1]): row[2] for row in rows}
    data = block('bars', [(f'{count} streams', *(values.get((count, variant), 0)
                                                 for variant in variants)) for count in streams])
    plots = ', '.join(f'$bars using {i + 2}:xtic(1) lc rgb "{LINES[i % len(LINES)]}" title "{variant}"'
                      for i, variant in enumerate(variants))
    return gnuplot(data + 'set style data histograms\nset style fill solid 0.9 noborder\n'
                   'set yrange [0:*]\nset ylabel "frames/s"\nset boxwidth 0.9\n'
                   f'plot {plots}\n', 1000, 320)


def outage_bars(result):
    rows = []
    for row in result['figures']['variants']:
        wait, others = row['longest-wait-at-outage'], row['intervals-of-others']
        if others:
            rows.append((row['variant'], *(others[key] * 1000 for key in ('p50', 'p99.9', 'max')),
                         wait['max'] * 1000 if wait and row['outages'] else 0))
    titles = ["others' interval, p50", 'p99.9', 'max', "the camera's own longest wait"]
    plots = ', '.join(f'$bars using {i + 2}:xtic(1) lc rgb "{LINES[i]}" title "{title}"'
                      for i, title in enumerate(titles))
    return gnuplot(block('bars', rows) + 'set style data histograms\nset logscale y\n'
                   'set style fill solid 0.9 noborder\nset ylabel "ms"\nset yrange [10:*]\n'
                   f'plot {plots}\n', 1000, 320)


def figures(result):
    """(title, SVG) of what can be drawn of a result."""
    if result['kind'] == 'run':
        yield 'Each camera over time', timeline(result)
        if 'result' in result:
            yield "Intervals between a reader's frames", histogram(result)
    elif isinstance(result.get('figures', {}).get('frames-per-second'), list):
        yield 'Frames a second beside stock elements', decode_bars(result)
    elif 'variants' in result.get('figures', {}):
        yield 'What an outage costs', outage_bars(result)


# --- The page ---------------------------------------------------------------------------------

STYLE = ('body{font:15px/1.5 sans-serif;max-width:1040px;margin:2em auto;padding:0 1em;color:#222}'
         'img{width:100%}figure{margin:1.5em 0}figcaption{color:#555;font-size:13px}'
         'h1,h2,h3{line-height:1.2}.simulated{color:#b3261e;font-weight:bold}'
         'pre{background:#f5f5f5;padding:1em;overflow:auto}')


def figure(title, svg, machine):
    image = base64.b64encode(svg.encode()).decode()
    label = f'<span class="simulated">{SIMULATED}</span> · ' if machine['simulated'] else ''
    line = provenance({**machine, 'simulated': False})
    where, _, command = line.partition('`')
    return (f'<figure><img alt="{html.escape(title)}" src="data:image/svg+xml;base64,{image}">'
            f'<figcaption>{html.escape(title)} · {label}{html.escape(where)}'
            f'<code>{html.escape(command.rstrip("`"))}</code></figcaption></figure>\n')


def page(title, body):
    return (f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f'<style>{STYLE}</style>\n<h1>{html.escape(title)}</h1>\n{body}</html>\n')


def report():
    body = '<p>Every figure comes from the JSON beside this page; the tables are in benchmarks.md.</p>\n'
    for folder in folders():
        body += f'<h2>{html.escape(folder.name)}</h2>\n'
        for name, result in load(folder).items():
            drawn = ''.join(figure(title, svg, result['machine']) for title, svg in figures(result))
            if drawn:
                body += f'<h3>{html.escape(name)}</h3>\n{drawn}'
    return page('gst-cudacam: benchmarks', body)


def need_gnuplot():
    if not shutil.which('gnuplot'):
        sys.exit('The plots take gnuplot: install gnuplot-nox.')


def unpack(archive, name):
    target = HERE / name
    target.mkdir(exist_ok=True)
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            if member.isfile() and member.name.endswith(('.json', '.txt')):
                (target / pathlib.Path(member.name).name).write_bytes(
                    packed.extractfile(member).read())


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
