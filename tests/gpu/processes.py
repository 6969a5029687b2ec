# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands that end together with all that they started: when they are late, and when this is interrupted."""
import os
import pathlib
import signal
import subprocess
import threading
import time

SKIPPED = 77
GRACE = 20  # seconds in which a command that is asked to end may write down what it has
SAME_REQUEST = 1  # seconds between two signals that are one

lock = threading.Lock()  # guards the next two
sessions = set()
stopping = False


class Interrupted(BaseException):
    """Raised by call() once a signal asked this program to end. No error: who catches errors lets it pass."""


def sessions_of_processes():
    """(process, its state, its session) of all that there are."""
    for status in pathlib.Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = status.read_text().rpartition(')')[2].split()
            yield int(status.parent.name), fields[0], int(fields[3])
        except OSError:
            pass  # it has ended by itself


def signal_to(process, number):
    try:
        os.kill(process, number)
    except OSError:
        pass  # it has ended by itself


def end(leaders):
    """Of commands that were started in sessions of their own. They are asked first; their children, which may have
    process groups of their own, are not."""
    def running():
        return [process for process, state, session in sessions_of_processes()
                if process in leaders and session == process and state != 'Z']

    for leader in running():
        signal_to(leader, signal.SIGTERM)
    give_up = time.monotonic() + GRACE
    while running() and time.monotonic() < give_up:
        time.sleep(0.05)
    for process, _, session in sessions_of_processes():
        if session in leaders:
            signal_to(process, signal.SIGKILL)


def stop():
    """Ends what runs; no command starts any more."""
    global stopping
    with lock:
        stopping = True
        leaders = set(sessions)
    end(leaders)


def stop_on_signals():
    """At the first of them all threads get Interrupted out of their call(); one that comes later ends the program.
    timeout(1) sends its own twice at once."""
    signals = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    came = []

    def came_in(number, frame):
        came.append(time.monotonic())
        if len(came) == 1:
            threading.Thread(target=stop).start()  # the lock may be this thread's
        elif came[-1] - came[0] > SAME_REQUEST:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for one in signals:
        signal.signal(one, came_in)


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
        # Beside it, what the command still says is read.
        ending = threading.Thread(target=end, args=({process.pid},))
        ending.start()
        output, _ = process.communicate()
        ending.join()
        status, output = None, f'{output}\nran for more than {timeout:g} s'
    with lock:
        sessions.remove(process.pid)
        if stopping:
            raise Interrupted
    return status, output, time.monotonic() - start
