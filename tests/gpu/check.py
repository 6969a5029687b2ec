#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check.py PROJECT: the parts of tests/gpu that judge or make something, as TAP."""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

sys.dont_write_bytecode = True
project = pathlib.Path(sys.argv[1])
sys.path[:0] = [str(project / 'tests/gpu'), str(project / 'tests/python')]
import elf  # noqa: E402
import parts  # noqa: E402
import processes  # noqa: E402
import tap  # noqa: E402

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


def expect_ended(pid):
    give_up = time.monotonic() + DEADLINE
    while not ended(pid):
        assert time.monotonic() < give_up, 'a child lives on'
        time.sleep(0.01)


def what_is_late_ends_with_its_children():
    status, output, _ = processes.call(['sh', '-c', 'sleep 1000 & echo $!; wait'], 0.5)
    assert status is None and 'ran for more than' in output, output
    expect_ended(int(output.split()[0]))


def what_is_late_may_write_down_what_it_has():
    status, output, _ = processes.call(['sh', '-c', 'trap "echo written; exit" TERM; sleep 1000 & wait'], 2)
    assert status is None and output.startswith('written\n'), output


def what_does_not_end_when_asked_is_killed():
    processes.GRACE, grace = 0.2, processes.GRACE
    try:
        status, output, _ = processes.call(['sh', '-c', 'trap "" TERM; echo $$; sleep 1000; echo on'], 2)
    finally:
        processes.GRACE = grace
    assert status is None and 'on\n' not in output, output
    expect_ended(int(output.split()[0]))


def missing_programs_are_skipped():
    status, output, _ = processes.call(['/nowhere/program'], 1)
    assert load_run().outcome(status) == 'skipped' and 'nowhere' in output


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)


MACHINE = {'gpu': 'G', 'driver': '1', 'gstreamer': '1.22', 'simulated': True, 'date': '2026-01-01 10:00 UTC'}


def made_up_bundle(folder, tests):
    """As tests/gpu/bundle makes them, with these shell scripts as its tests."""
    for name in ('outcomes.py', 'parts.py', 'processes.py', 'why_no_gpu.py'):
        shutil.copy(project / 'tests/gpu' / name, folder)
    shutil.copy(project / 'tests/gpu/run', folder / 'test')
    for name in ('bin/gst-inspect-1.0', 'make-gi'):
        script(folder / name, 'exit 0')
    script(folder / 'bin/bench-machine', f"echo '{json.dumps(MACHINE)}'")
    for name, text in tests.items():
        script(folder / 'bin' / name, text)
    (folder / 'tests.json').write_text(json.dumps([
        {'name': name, 'suites': [], 'command': [name], 'environment': {}, 'alone': False, 'timeout': 600, 'tap': False}
        for name in tests]))
    return [sys.executable, folder / 'test', '--results', folder / 'results', '--only', 'tests']


def run_made_up(words):
    # Not once more with a GStreamer that is not in it.
    return subprocess.Popen(words, env={**os.environ, 'GST_PLUGIN_SYSTEM_PATH_1_0': ''}, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def an_interrupt_ends_all_and_leaves_what_was_found():
    for number in (signal.SIGINT, signal.SIGTERM):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            # As a soak does.
            sleeper = (f'trap "echo kept >{folder}/results/kept.txt; exit 1" TERM\n'
                       f'sleep 1000 & echo $! >>{folder}/children; wait')
            words = made_up_bundle(folder, {'quick': 'exit 0', 'slow': sleeper, 'slower': sleeper, 'later': sleeper})
            process = run_made_up([*words, '--jobs', '3', '--pack', folder / 'packed.tar.gz'])
            give_up = time.monotonic() + DEADLINE
            children = []
            while len(children) < 2 or 'quick' not in found_in(folder):
                assert time.monotonic() < give_up and process.poll() is None, process.communicate()
                if (folder / 'children').exists():
                    children = (folder / 'children').read_text().split()
                time.sleep(0.01)
            process.send_signal(number)
            output, _ = process.communicate(timeout=DEADLINE)
            assert process.returncode == 130, (process.returncode, output)
            assert output.endswith('1 passed, 0 failed, 0 skipped\n') and 'Interrupted' in output, output
            assert list(found_in(folder)) == ['quick'], found_in(folder)
            with tarfile.open(folder / 'packed.tar.gz') as packed:
                assert packed.extractfile('results/kept.txt').read() == b'kept\n'
            for child in (folder / 'children').read_text().split():
                expect_ended(int(child))


def one_request_to_end_may_come_twice():
    """As from timeout(1); a later one ends the program."""
    code = ('import processes, signal; processes.SAME_REQUEST = 1000; processes.stop_on_signals()\n'
            'for _ in range(2): signal.raise_signal(signal.SIGTERM)\n'
            'print("alive", flush=True)\n'
            'processes.SAME_REQUEST = -1; signal.raise_signal(signal.SIGTERM); print("still")')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=DEADLINE,
                          env={**os.environ, 'PYTHONPATH': str(project / 'tests/gpu'), 'PYTHONDONTWRITEBYTECODE': '1'})
    assert (done.stdout, done.returncode) == ('alive\n', -signal.SIGTERM), done


def found_in(folder):
    path = folder / 'results/tests.json'
    rows = json.loads(path.read_text())['tests'] if path.exists() else []
    return {row['name']: row['outcome'] for row in rows}


def a_part_that_breaks_costs_no_other_its_results():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        words = made_up_bundle(folder, {'good': 'exit 0'})
        # It tells what there is once, to say how long it takes.
        script(folder / 'bin/bench', f'[ -e {folder}/told ] || exec touch {folder}/told\necho no list')
        process = run_made_up([*words[:-2], '--only', 'bench', '--only', 'calibrate', '--only', 'tests'])
        output, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 1 and output.endswith('1 passed, 1 failed, 1 skipped\n'), output
        assert 'simulated, not a measurement' in output, output
        assert found_in(folder) == {'itself': 'failed', 'calibrate': 'skipped', 'good': 'passed'}, found_in(folder)
        assert 'ValueError' in (folder / 'results/logs/bench-itself.log').read_text()
        assert json.loads((folder / 'results/tests.json').read_text())['parts'] == ['tests']


def parts_of_one_day_add_up_in_one_folder():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        words = made_up_bundle(folder, {'good': 'exit 0', 'bad': 'echo because; exit 1', 'absent': 'echo no; exit 77'})
        process = run_made_up(words)
        output, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 1 and '1 passed, 1 failed, 1 skipped' in output, output
        assert 'About ' in output, output
        assert (folder / 'results/logs/tests-bad.log').read_text() == 'because\n'
        script(folder / 'bin/bad', 'exit 0')
        process = run_made_up([*words, '--test', 'bad'])
        output, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0 and '1 passed, 0 failed, 0 skipped' in output, output
        assert found_in(folder) == {'good': 'passed', 'absent': 'skipped', 'bad': 'passed'}, found_in(folder)
        process = run_made_up([*words, '--test', 'unknown'])
        output, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 1 and 'there is no unknown' in output, output


def a_part_that_was_run_as_a_whole_replaces_all_of_it():
    def run(parts_of_it, *rows):
        return {'machine': MACHINE, 'parts': parts_of_it,
                'tests': [{'part': part, 'name': name, 'outcome': outcome} for part, name, outcome in rows]}
    first = run(['tests'], ('tests', 'a', 'passed'), ('tests', 'b', 'failed'), ('tests', 'b: case', 'skipped'),
                ('bench', 'lease', 'failed'))
    again = parts.joined(first, run([], ('tests', 'b', 'passed'), ('bench', 'lease', 'passed')))
    assert [row['name'] for row in again['tests']] == ['a', 'b', 'lease'], again
    assert (again['passed'], again['failed'], again['skipped']) == (3, 0, 0), again
    whole = parts.joined(again, run(['tests'], ('tests', 'c', 'passed')))
    assert [row['name'] for row in whole['tests']] == ['lease', 'c'] and whole['parts'] == ['tests'], whole


def the_reason_without_a_gpu_is_told():
    done = subprocess.run([sys.executable, project / 'tests/gpu/why_no_gpu.py'], capture_output=True, text=True)
    assert (done.returncode == 0) == (done.stderr == ''), done
    with tempfile.TemporaryDirectory() as folder:
        compile_library(pathlib.Path(folder, 'libcuda.so.1'), 'int cuInit(unsigned f) { return 0; } '
                        'int cuDeviceGetCount(int *n) { *n = 1; return 0; }')

        def ask():
            return subprocess.run([sys.executable, project / 'tests/gpu/why_no_gpu.py'], capture_output=True,
                                  text=True, env={**os.environ, 'LD_LIBRARY_PATH': folder})
        if not os.path.exists('/dev/nvidia0'):
            assert 'without its decoders' in ask().stderr and ask().returncode == 1, ask()
        compile_library(pathlib.Path(folder, 'libnvcuvid.so.1'), 'int x;')
        assert ask().returncode == 0, ask()
        compile_library(pathlib.Path(folder, 'libcuda.so.1'), 'int cuInit(unsigned f) { return 803; }')
        assert 'restart the machine' in ask().stderr, ask()


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
    tests = [tap_is_not_believed_by_its_status, what_is_late_ends_with_its_children,
             what_is_late_may_write_down_what_it_has, what_does_not_end_when_asked_is_killed,
             missing_programs_are_skipped, an_interrupt_ends_all_and_leaves_what_was_found,
             one_request_to_end_may_come_twice, a_part_that_breaks_costs_no_other_its_results,
             parts_of_one_day_add_up_in_one_folder, a_part_that_was_run_as_a_whole_replaces_all_of_it]
    if shutil.which('g++') and shutil.which('objdump'):
        tests += [the_reason_without_a_gpu_is_told, a_stub_stands_for_a_library, the_newest_need_is_found]
    tap.run([(test, None) for test in tests])


if __name__ == '__main__':
    main()
