# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results as pictures, drawn by gnuplot."""
import shutil
import subprocess
import sys

from results import OUTAGE_STOCK, VARIANTS, crowd, decode_rows, told

STATUS = {'streaming': '#2a9d5c', 'waiting-first-frame': '#9bc53d', 'connecting': '#e9c46a',
          'closing': '#f4a261', 'backoff': '#e76f51', 'failed': '#9e2a2b', 'stopped': '#888888'}
LINES = ['#1d6fb8', '#d1495b', '#2a9d5c', '#b07aa1', '#e08e45', '#4f8a8b', '#7d5ba6', '#8c6d31']


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
    lines = '\n'.join(' '.join(f'"{value}"' if isinstance(value, str) else repr(value or 0)
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


def bars(rows, titles, label, extra=''):
    """Groups of bars: rows of (name, value...), a title for each value."""
    drawn = ', '.join(f'$bars using {i + 2}:xtic(1) lc rgb "{LINES[i % len(LINES)]}" title "{title}"'
                      for i, title in enumerate(titles))
    return gnuplot(block('bars', rows) + 'set style data histograms\n'
                   'set style fill solid 0.9 noborder\nset yrange [0:*]\nset boxwidth 0.9\n'
                   f'set ylabel "{label}"\n{extra}plot {drawn}\n', 1000, 320)


def decode_bars(result):
    rows = decode_rows(result['figures'])
    streams = sorted({row[0] for row in rows})
    variants = list(dict.fromkeys(row[1] for row in rows))
    values = {(row[0], row[1]): row[2] for row in rows}
    return bars([(f'{count} streams', *(values.get((count, variant), 0) for variant in variants))
                 for count in streams], variants, 'frames/s')


def outage_bars(result):
    rows = []
    for row in result['figures']['variants']:
        wait, others = row['longest-wait-at-outage'], row['intervals-of-others']
        if others:
            rows.append((OUTAGE_STOCK if row['variant'] == 'stock' else VARIANTS[row['variant']],
                         *((told(others, key) or 0) * 1000 for key in ('p50', 'p99.9', 'max')),
                         wait['max'] * 1000 if wait and row['outages'] else 0))
    return bars(rows, ["others' interval, p50", 'p99.9', 'max', "the camera's own longest wait"], 'ms',
                'set logscale y\nset yrange [10:*]\n')


COPIES = {'driver': 'the driver, a copy for each plane', 'kernels-1': 'one launch for a frame',
          'kernels-4': 'for 4', 'kernels-16': 'for 16', 'kernels-64': 'for 64 frames'}


def copy_bars(result):
    sizes = {size: row for size, row in result['figures'].items()
             if isinstance(row, dict) and 'driver' in row}
    ways = [way for way in COPIES if all(way in row for row in sizes.values())]
    rows = [(f'{size}: {what}', *(row[way][key] for way in ways)) for size, row in sizes.items()
            for key, what in (('gpu', 'on the GPU'), ('enqueue', 'on the processor'))]
    return bars(rows, [COPIES[way] for way in ways], 'us a frame')


def lease_bars(result):
    figures = result['figures']
    readers = figures['contended']['readers']
    series = {'a lease, nobody else there': figures['uncontended'],
              f'a lease, {readers} readers': crowd(figures)['lease'],
              f'a frame pushed, {readers} readers': crowd(figures)['push']}
    return bars([(name, *((told(row, key) or 0) / 1000 for key in ('median', 'p99', 'longest')))
                 for name, row in series.items()], ['median', 'p99', 'longest'], 'us',
                'set logscale y\nset yrange [0.1:*]\n')


def neighbour_bars(result):
    names = {'quiet': 'no reconnect', 'decoder_kept': 'decoder kept', 'decoder_made_anew':
             'decoder made anew at each reconnect'}
    found = result['figures']['neighbours']
    return bars([(title, *(told(found[name]['interval_ms'], key) for key in ('median', 'p99', 'p99.9', 'longest')))
                 for name, title in names.items()], ['interval of the others, median', 'p99', 'p99.9', 'longest'], 'ms')


def return_bars(result):
    names = {'bare_keyframe_ms': 'the key frame at a bare rtspsrc', 'first_frame_ms': 'the first frame here',
             'behind_bare_ms': 'the difference'}
    found = result['figures']['return']
    return bars([(title, *(told(found[name], key) for key in ('median', 'p99', 'longest')))
                 for name, title in names.items()], ['median', 'p99', 'longest'], 'ms',
                'set logscale y\nset yrange [0.1:*]\n')


# By a key of a benchmark's figures.
DRAWN = {'variants': ('What an outage costs', outage_bars),
         'other-gpu': ("Frames copied by our kernels, beside the driver's copies", copy_bars),
         'contended': ('Leases', lease_bars),
         'neighbours': ('Others, while a camera reconnects', neighbour_bars),
         'return': ('After a reconnect', return_bars)}


def figures(result):
    """(title, SVG) of what can be drawn of a result."""
    found = result.get('figures', {})
    if result['kind'] == 'run':
        yield 'Each camera over time', timeline(result)
        if 'result' in result:
            yield "Intervals between a reader's frames", histogram(result)
    elif isinstance(found.get('frames-per-second'), list):
        yield 'Frames a second beside stock elements', decode_bars(result)
    else:
        for key, (title, draw) in DRAWN.items():
            if key in found:
                yield title, draw(result)


def need_gnuplot():
    if not shutil.which('gnuplot'):
        sys.exit('The plots take gnuplot: install gnuplot-nox.')
