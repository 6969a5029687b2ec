#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ends.py PROJECT TESTCAM SOAK...: a soak that ends early reports what it found until then, as TAP."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
project, testcam, soak = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
sys.path.insert(0, str(project / 'tests/python'))
import tap  # noqa: E402

FOR_EVER = '600'  # minutes
DEADLINE = 100  # seconds; for hangs


def start(folder, *options, **environment):
    return subprocess.Popen([*soak, '--minutes', FOR_EVER, '--json', folder / 'soak.json', *options],
                            stdout=subprocess.PIPE, text=True, start_new_session=True,
                            env={**os.environ, **environment})


def result_of(process, folder):
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1, (process.returncode, output)
    assert 'It did NOT hold.' in output, output
    run = json.loads((folder / 'soak.json').read_text())
    assert not run['result']['held'] and run['options']['minutes'] == float(FOR_EVER), run
    return run


def interrupted_by(number):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        process = start(folder, '--cameras', '2', '--readers', '2')
        line = process.stdout.readline()
        assert line.startswith('All readers have frames'), line + process.communicate()[0]
        os.killpg(process.pid, number)  # as a terminal does
        run = result_of(process, folder)
        result = run['result']
        assert result['interrupted'] and result['complaints'][0] == 'Interrupted.', result
        assert result['frames-verified'] >= 4 and result['connections'] >= 2, result
        assert [camera['name'] for camera in run['log']['cameras']] == ['camera-1', 'camera-2'], run
        assert run['log']['process'], run


def an_interrupt_leaves_what_was_found():
    interrupted_by(signal.SIGINT)


def so_does_a_request_to_end():
    interrupted_by(signal.SIGTERM)


def ended_by(script, *options):
    """What a soak says whose test camera is this shell script."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        camera = folder / 'camera'
        camera.write_text(f'#!/bin/sh\n{script}\n')
        camera.chmod(0o755)
        process = start(folder, '--cameras', '1', '--readers', '1', *options, CUDACAM_TESTCAM=str(camera))
        result = result_of(process, folder)['result']
        assert not result['interrupted'], result
        return result


def a_camera_that_takes_no_commands_ends_it_with_what_was_found():
    result = ended_by(f'exec {testcam} "$@" </dev/null', '--outage-every', '0.1')
    assert any('takes no commands' in complaint for complaint in result['complaints']), result
    assert result['frames-verified'] > 0 and result['connections'] == 1, result


def a_camera_that_does_not_start_is_named():
    result = ended_by('exit 1')
    assert any('ended instead of serving' in complaint for complaint in result['complaints']), result


tap.run([(test, None) for test in (an_interrupt_leaves_what_was_found, so_does_a_request_to_end,
                                   a_camera_that_takes_no_commands_ends_it_with_what_was_found,
                                   a_camera_that_does_not_start_is_named)])
