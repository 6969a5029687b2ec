#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares docs/elements/*.md with the elements: what stands between
<!-- properties --> and <!-- end --> (and signals likewise) is what `describe` prints.

check.py DESCRIBE DOCS [--update]: exits 1 and shows the difference, or mends it with --update.
"""
import difflib
import pathlib
import re
import subprocess
import sys

BLOCK = re.compile(r'(<!-- (properties|signals) -->\n)(.*?)(<!-- end -->)', re.DOTALL)


def described(describe, element, what):
    return subprocess.run([describe, element, what], check=True, capture_output=True,
                          text=True).stdout


def main():
    describe, docs = sys.argv[1], pathlib.Path(sys.argv[2])
    update = '--update' in sys.argv[3:]
    stale = False
    pages = sorted((docs / 'elements').glob('*.md'))
    if not pages:
        sys.exit(f'no pages under {docs}/elements')
    for page in pages:
        text = page.read_text(encoding='utf-8')
        kinds = {match.group(2) for match in BLOCK.finditer(text)}
        if 'properties' not in kinds:
            sys.exit(f'{page}: no block <!-- properties --> ... <!-- end -->')
        if described(describe, page.stem, 'signals') and 'signals' not in kinds:
            sys.exit(f'{page}: the element has signals, the page no block for them')
        fresh = BLOCK.sub(
            lambda match: match.group(1) + described(describe, page.stem, match.group(2)) +
            match.group(4), text)
        if fresh == text:
            continue
        if update:
            page.write_text(fresh, encoding='utf-8')
            continue
        stale = True
        sys.stdout.writelines(difflib.unified_diff(
            text.splitlines(True), fresh.splitlines(True), str(page), 'the element'))
    if stale:
        sys.exit('The pages are stale: run "meson compile -C build update-docs".')


if __name__ == '__main__':
    main()
