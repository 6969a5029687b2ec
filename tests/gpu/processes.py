# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands that end together with all that they started: when they are late, and when this is interrupted."""
import os
import pathlib
import signal
import subprocess
import threading
import time

SKIPPED = 77

lock = threading.Lock()  # guards the next two
sessions = set()
stopping = False


class Interrupted(Exception):
    """Raised by call() once a signal asked this program to end."""


def end_session(leader):
    """Of a command that was started in a session of its own. Its tests have process groups of their own."""
    for status in pathlib.Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = status.read_text().rpartition(')')[2].split()
            if int(fields[3]) == leader:
                os.kill(int(status.parent.name), signal.SIGKILL)
        except (OSError, ProcessLookupError):
            pass  # it has ended by itself


def stop():
    """Ends what runs; no command starts any more."""
    global stopping
    with lock:
        stopping = True
        for leader in sessions:
            end_session(leader)


def stop_on_signals():
    """At the first of them all threads get Interrupted out of their call(); a second one ends the program."""
    def first(number, frame):
        for one in signals:
            signal.signal(one, signal.SIG_DFL)
        threading.Thread(target=stop).start()  # the lock may be this thread's

    signals = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    for one in signals:
        signal.signal(one, first)


def call(words, timeout, **more):
    """(exit status or None for a timeout, output, seconds). What a late command started ends with it."""
    start = time.monotonic()
    with lock:
        if stopping:
            raise Interrupted
        try:
            process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True,
                                       stderr=subprocess.STDOUT, errors='replace', start_new_session=True, **more)
        except OSError as missing:
            return SKIPPED, f'{missing}', 0
        sessions.add(process.pid)
    try:
        output, _ = process.communicate(timeout=timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        end_session(process.pid)
        output, _ = process.communicate()
        status, output = None, f'{output}\nran for more than {timeout:g} s'
    with lock:
        sessions.remove(process.pid)
        if stopping:
            raise Interrupted
    return status, output, time.monotonic() - start
