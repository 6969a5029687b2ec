#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that forget their leases end well all the same.

forgotten-leases.py ROUNDS COMMAND...: TAP on stdout. The command is forgetful-reader, alone or under a
tool that says something or exits with another status when it finds something wrong.
"""
import signal
import subprocess
import sys

DEADLINE = 120  # seconds; for hangs


def ends_well(command, ending, send=None):
    """Whether the program ends by itself with status 0 and says nothing but "ready"."""
    process = subprocess.Popen([*command, ending], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    if process.stdout.readline() == 'ready\n' and send:
        process.send_signal(send)
    try:
        output, errors = process.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        return False, 'it hangs'
    good = process.returncode == 0 and not output and not errors
    return good, f'status {process.returncode}\n{output}{errors}'


def main():
    endings = [('teardown', None), ('exit', None), ('signal', signal.SIGTERM)]
    print(f'1..{len(endings)}')
    for number, (ending, send) in enumerate(endings, 1):
        for _ in range(int(sys.argv[1])):
            good, why = ends_well(sys.argv[2:], ending, send)
            if not good:
                break
        print('ok' if good else 'not ok', number, '-', ending)
        if not good:
            print(''.join(f'# {line}\n' for line in why.splitlines()[-30:]))


if __name__ == '__main__':
    main()
