# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions as tests, with TAP on stdout."""
import traceback


def run(tests):
    """(function, None or why it is left out) of each."""
    print(f'1..{len(tests)}', flush=True)
    for number, (test, lacks) in enumerate(tests, 1):
        if lacks:
            print('ok', number, '-', test.__name__, '# SKIP', lacks, flush=True)
            continue
        try:
            test()
            print('ok', number, '-', test.__name__, flush=True)
        except Exception:
            print('not ok', number, '-', test.__name__)
            print(''.join(f'# {line}\n' for line in traceback.format_exc().splitlines()), end='', flush=True)
