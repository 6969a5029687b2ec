#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check.py PROJECT: the parts of tests/gpu that judge or make something, as TAP."""
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
project = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(project / 'tests/gpu'))
import elf  # noqa: E402

DEADLINE = 60  # seconds; for hangs


def load_run():
    loader = importlib.machinery.SourceFileLoader('gpu_run', str(project / 'tests/gpu/run'))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('gpu_run', loader))
    loader.exec_module(module)
    return module


def tap_is_not_believed_by_its_status():
    outcome = load_run().tap_outcome
    assert outcome(0, '1..2\nok 1 - a\nok 2 - b # SKIP no\n') == 'passed'
    assert outcome(0, '1..2\nok 1 - a\nnot ok 2 - b\n') == 'failed'
    assert outcome(0, '1..2\nok 1 - a\n') == 'failed'
    assert outcome(0, 'Aborted\n') == 'failed'
    assert outcome(77, 'no module\n') == 'skipped'
    assert outcome(1, '1..1\nok 1\n') == 'failed'


def ended(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'Z'
    except OSError:
        return True


def what_is_late_ends_with_its_children():
    status, output, _ = load_run().call(['sh', '-c', 'sleep 1000 & echo $!; wait'], 0.5)
    assert status is None and 'ran for more than' in output, output
    give_up = time.monotonic() + DEADLINE
    while not ended(int(output.split()[0])):
        assert time.monotonic() < give_up, 'a child lives on'
        time.sleep(0.01)


def missing_programs_are_skipped():
    run = load_run()
    status, output, _ = run.call(['/nowhere/program'], 1)
    assert run.outcome(status) == 'skipped' and 'nowhere' in output


def compile_library(target, source, *options):
    subprocess.run(['g++', '-shared', '-fPIC', '-x', 'c', '-', '-x', 'none', '-o', target,
                    f'-Wl,-soname,{target.name}', *options],
                   input=source, text=True, check=True)


def a_stub_stands_for_a_library():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        codec, user, stubs = folder / 'libcodec.so.1', folder / 'libavcodec.so.1', folder / 'stubs'
        stubs.mkdir()
        versions = folder / 'versions'
        versions.write_text('V1 { versioned; };')
        compile_library(codec, 'int versioned(void) { return 1; } int plain(void) { return 2; } int data[9]; '
                        'int unused(void) { return 3; }', f'-Wl,--version-script={versions}')
        compile_library(user, 'int versioned(void), plain(void); extern int data[9]; int alive(void) { return 7; } '
                        'int use(void) { return versioned() + plain() + data[0]; }', '-Wl,-z,now', codec)
        found, stubbed = elf.closure([str(user)], elf.Search([folder]), re.compile(r'lib(c|m|stdc\+\+|gcc_s)\.so'))
        assert stubbed == {codec.name: str(codec)} and not found, (found, stubbed)
        elf.make_stub(codec, codec.name, [user], stubs / codec.name)
        defined = elf.symbols(stubs / codec.name, '--defined-only')
        assert set(defined) - {'V1'} == {'versioned', 'plain', 'data'}, defined
        assert defined['versioned'][0] == 'V1' and not defined['plain'][0], defined
        assert defined['data'][1] == 'B' and defined['plain'][1] == 'T', defined
        codec.unlink()

        def load(path):
            code = f'import ctypes; assert ctypes.CDLL("{user}").alive() == 7'
            return subprocess.run([sys.executable, '-c', code], env={**os.environ, 'LD_LIBRARY_PATH': str(path)},
                                  capture_output=True).returncode == 0
        assert load(stubs) and not load(folder)


def the_newest_need_is_found():
    with tempfile.TemporaryDirectory() as folder:
        modest, newest = pathlib.Path(folder, 'modest.so'), pathlib.Path(folder, 'newest.so')
        compile_library(modest, 'void *malloc(unsigned long); void *f(void) { return malloc(1); }')
        # statx came with 2.28, malloc with the first.
        compile_library(newest, 'int statx(int, const char *, int, unsigned, void *); '
                        'int f(void) { return statx(0, "", 0, 0, 0); }')
        assert elf.newest([modest, newest]) == elf.newest([newest, modest]) == [newest]


def main():
    tests = [tap_is_not_believed_by_its_status, what_is_late_ends_with_its_children, missing_programs_are_skipped]
    if shutil.which('g++') and shutil.which('objdump'):
        tests += [a_stub_stands_for_a_library, the_newest_need_is_found]
    print(f'1..{len(tests)}')
    for number, test in enumerate(tests, 1):
        try:
            test()
            print('ok', number, '-', test.__name__)
        except Exception:
            print('not ok', number, '-', test.__name__)
            print(''.join(f'# {line}\n' for line in traceback.format_exc().splitlines()), end='')


if __name__ == '__main__':
    main()
