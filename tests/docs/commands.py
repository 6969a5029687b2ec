#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every gst-launch-1.0 line of the documentation, against the test camera where it names a camera.

commands.py TESTCAM [--nvsim PROGRAM] PAGE...: a line passes when it ends by itself with status 0, or
shows that frames flow and ends well when interrupted. One that starts with nvsim runs on the simulated
GPU, without a violation; if it ends in a checksum over all frames, the software decoder's has to be the
same. TAP on stdout.
"""
import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading

COMMAND = re.compile(r'(?: {4}|\$ )?((?:nvsim (?:-\S* )*)?gst-(?:launch|inspect)-1\.0 .*)')
FRAMES_FLOW = re.compile(r'frames=\(guint64\)[1-9]\d|status=\(string\)streaming')
CHECKSUM = re.compile(r'checksum=\(string\)(\w+)')
NVIDIA = re.compile(r'nv(h26[45])(?:sl)?dec')
DEADLINE = 60  # seconds; for hangs


def commands(page):
    """Indented or fenced lines, continuation lines joined, without comments: (folder, command)."""
    text = open(page, encoding='utf-8').read().replace('\\\n', ' ')
    for line in text.splitlines():
        match = COMMAND.match(line)
        if match:
            yield os.path.dirname(os.path.abspath(page)), re.sub(r'\s+# .*', '', match.group(1)).strip()


def flows(words, folder):
    """Whether the command runs well; its output."""
    environment = dict(os.environ)
    if not words[0].startswith('gst-'):  # nvsim has a registry of its own
        environment.pop('GST_REGISTRY_1_0', None)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               cwd=folder, env=environment)
    watchdog = threading.Timer(DEADLINE, process.kill)
    watchdog.start()
    output = ''
    for line in process.stdout:
        output += line
        if FRAMES_FLOW.search(line):
            process.send_signal(signal.SIGINT)
    status = process.wait()
    watchdog.cancel()
    return status == 0 and 'ERROR' not in output, output


def on_nvsim(words, folder, nvsim):
    """Whether the command runs well on the simulated GPU; its output and a line about its frames."""
    with tempfile.NamedTemporaryFile('r') as summary:
        good, output = flows([nvsim, '-e', '-s', summary.name] + words[1:], folder)
        pictures = re.search(r'^calls\.cuvidDecodePicture (\d+)', summary.read(), re.MULTILINE)
    checksum = CHECKSUM.search(output)
    if not good or not checksum:
        return good, output
    launch = next(i for i, word in enumerate(words) if word.startswith('gst-'))
    software = ['identity' if word == 'cudadownload' else NVIDIA.sub(r'avdec_\1', word)
                for word in words[launch:]]
    good, output = flows(software, folder)
    other = CHECKSUM.search(output)
    same = good and other and other.group(1) == checksum.group(1)
    print(f'# {pictures.group(1)} pictures,', 'each' if same else 'NOT',
          f'as the software decoder has it: {checksum.group(1)}')
    return same, output


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('testcam')
    parser.add_argument('--nvsim')
    parser.add_argument('pages', nargs='+')
    arguments = parser.parse_args()

    camera_process = subprocess.Popen([arguments.testcam], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, text=True)
    camera = camera_process.stdout.readline().strip()
    everything = sorted({command for page in arguments.pages for command in commands(page)})
    print(f'1..{len(everything)}')
    try:
        for number, (folder, command) in enumerate(everything, 1):
            words = [re.sub(r'rtsp://\S+', camera, word) for word in shlex.split(command)]
            title = command.replace('#', ' ')
            if words[0] != 'nvsim':
                good, output = flows(words, folder)
            elif arguments.nvsim:
                good, output = on_nvsim(words, folder, arguments.nvsim)
            else:
                print('ok', number, '-', title, '# SKIP there is no simulated GPU')
                continue
            print('ok' if good else 'not ok', number, '-', title)
            if not good:
                print(''.join(f'# {line}\n' for line in output.splitlines()[-30:]))
    finally:
        camera_process.kill()
    sys.exit(0 if everything else 'no command found')


if __name__ == '__main__':
    main()
