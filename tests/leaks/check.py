#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pipelines of our elements under GStreamer's leaks tracer: nothing may be alive at the end.

check.py TESTCAM: one pipeline per line of PIPELINES, the camera's address in place of CAMERA. A pipeline
that does not end by itself is interrupted once frames flow. TAP on stdout.
"""
import os
import re
import signal
import subprocess
import sys
import threading

PIPELINES = [
    'videotestsrc num-buffers=50 ! cudacampool ! cudacamsink',
    'videotestsrc num-buffers=50 ! cudacampool slots=2 ! tee name=t ! queue ! cudacamsink '
    't. ! queue ! fakesink',
    'videotestsrc num-buffers=30 ! identity drop-allocation=true ! cudacampool ! fakesink',
    'cudacamsrc location=CAMERA ! cudacampool ! cudacamsink',
    'cudacamsrc location=CAMERA protocols=udp ! fakesink',
    'cudacamsrc location=CAMERA/not-there ! cudacampool ! cudacamsink',
]
FRAMES_FLOW = re.compile(r'frames=\(guint64\)[1-9]\d|status = streaming|status = backoff')
ALIVE = re.compile(r'object-alive, type-name=\(string\)(\w+)')
# GStreamer keeps these for the life of the process.
KEPT = {'GstSystemClock', 'GstRegistry', 'GstCapsFeatures', 'GstAllocatorSysmem'}
# So do we one of these, where frames are on a GPU.
KEPT_ONCE = ['GstCudaCamCudaAllocator']
DEADLINE = 60  # seconds; for hangs


def alive_after(pipeline):
    """What was left, and the output."""
    environment = dict(os.environ, GST_TRACERS='leaks', GST_DEBUG='GST_TRACER:7',
                       GST_DEBUG_NO_COLOR='1')
    process = subprocess.Popen(['gst-launch-1.0', '-v'] + pipeline.split(), env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watchdog = threading.Timer(DEADLINE, process.kill)
    watchdog.start()
    output, interrupted = '', False
    for line in process.stdout:
        output += line
        if not interrupted and 'num-buffers' not in pipeline and FRAMES_FLOW.search(line):
            process.send_signal(signal.SIGINT)
            interrupted = True
    status = process.wait()
    watchdog.cancel()
    left = [name for name in ALIVE.findall(output) if name not in KEPT]
    for name in KEPT_ONCE:
        if name in left:
            left.remove(name)
    return (left if status == 0 else left + [f'exit status {status}']), output


def main():
    camera_process = subprocess.Popen([sys.argv[1]], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, text=True)
    camera = camera_process.stdout.readline().strip()
    print(f'1..{len(PIPELINES)}')
    try:
        for number, pipeline in enumerate(PIPELINES, 1):
            left, output = alive_after(pipeline.replace('CAMERA', camera))
            print('not ok' if left else 'ok', number, '-', pipeline)
            if left:
                print(f'# alive: {left}')
                print(''.join(f'# {line}\n' for line in output.splitlines()[-20:]))
    finally:
        camera_process.kill()


if __name__ == '__main__':
    main()
